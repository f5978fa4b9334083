"""Autocast: accepted, and computed in the dtypes that the tensors have.

A region of autocast permits lower precision and does not ask for it. Here float32 tensors stay float32, and
results are those of the region without autocast, which are more exact.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from unspool import _core
from unspool._core import dtype as Dtype

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

F = TypeVar("F", bound=Callable[..., Any])

_DEVICES = ("cpu", "cuda", "mps", "xpu")


class autocast:
    """A region in which lower precision is permitted, as context manager or decorator; float32 is kept.

    Args:
        device_type: "cpu", or the name of a device that is not there.
        dtype: bfloat16 or float16, accepted.
        enabled: accepted.
        cache_enabled: accepted.

    Raises:
        RuntimeError: the device type is unknown.
    """

    def __init__(
        self,
        device_type: str = "cuda",
        dtype: Dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"autocast: device_type must be a string, not {type(device_type).__name__}")
        if device_type not in _DEVICES:
            raise RuntimeError(f"autocast: unknown device type {device_type!r}; expected one of {_DEVICES}")
        self.device = device_type
        self.fast_dtype = dtype or (_core.bfloat16 if device_type == "cpu" else _core.float16)
        self._enabled = enabled
        self._cache_enabled = bool(cache_enabled)

    def __enter__(self) -> autocast:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __call__(self, func: F) -> F:
        """Decorate a function."""

        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        return run  # type: ignore[return-value]


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` accepts the device type and tensors can be on it: True for "cpu"."""
    return device_type == "cpu"


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: Dtype | None = None) -> Any:
    """Give the function itself, as a decorator with or without arguments."""
    del device_type, cast_inputs
    return fwd if fwd is not None else _itself


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """Give the function itself, as a decorator with or without arguments."""
    del device_type
    return bwd if bwd is not None else _itself


def _itself(function: F) -> F:
    return function
