"""Autocast: accepted, and computed in the dtypes that the tensors have.

A region of autocast permits lower precision and does not ask for it. Here float32 tensors stay float32, and
results are those of the region without autocast, which are more exact. In a region, products also take 16-bit
tensors together with float32 ones, as they do in PyTorch, which converts both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

from unspool import _core
from unspool._core import dtype as Dtype

__all__ = [
    "autocast",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "is_autocast_available",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])

_DEVICES = ("cpu", "cuda", "mps", "xpu")

# The regions that this context is in, outermost first.
_regions: ContextVar[tuple[autocast, ...]] = ContextVar("regions", default=())


def _enter_regions(regions: tuple[autocast, ...]) -> None:
    """Make these the regions of this context; in an enabled one, 16-bit and float32 tensors may meet."""
    _regions.set(regions)
    innermost = {each.device: each._enabled for each in regions}
    _core._permit_mixing(any(innermost.values()))


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
        _enter_regions((*_regions.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _enter_regions(_regions.get()[:-1])

    def __call__(self, func: F) -> F:
        """Decorate a function."""

        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return run  # type: ignore[return-value]


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` accepts the device type and tensors can be on it: True for "cpu"."""
    return device_type == "cpu"


def _region(device_type: str) -> autocast | None:
    """Give the innermost region for the device type."""
    return next((each for each in reversed(_regions.get()) if each.device == device_type), None)


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this is inside of an enabled ``autocast`` for the device type."""
    region = _region(device_type)
    return region is not None and region._enabled


def get_autocast_dtype(device_type: str) -> Dtype:
    """Give the dtype that ``autocast`` permits here: bfloat16 on the CPU, float16 elsewhere, or as asked."""
    return (_region(device_type) or autocast(device_type)).fast_dtype


def is_autocast_cpu_enabled() -> bool:
    """Whether this is inside of an enabled ``autocast("cpu")``."""
    return is_autocast_enabled("cpu")


def get_autocast_cpu_dtype() -> Dtype:
    """Give ``get_autocast_dtype("cpu")``."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> Dtype:
    """Give ``get_autocast_dtype("cuda")``."""
    return get_autocast_dtype("cuda")


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
