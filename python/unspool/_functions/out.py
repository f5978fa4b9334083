"""``out=`` of functions that Python composes: the result is computed, then written into the tensors given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from unspool import _core
from unspool._core import Tensor
from unspool._dtypes import can_cast

__all__ = ["into", "with_out"]

R = TypeVar("R")


def into(out: Any, result: Any, name: str = "") -> Any:
    """The result, written into ``out`` (a tensor, or a tuple for several results) where that is given.

    Raises:
        RuntimeError: a tensor of ``out`` has elements and another shape than the result, cannot hold its kind
            of number, or gradients are being recorded.
        TypeError: ``out`` is not a tensor, or not as many as there are results.
    """
    if out is None:
        return result
    who = f"{name}(): " if name else ""
    values = [result] if isinstance(result, Tensor) else list(result)
    targets = [out] if isinstance(result, Tensor) else list(out) if isinstance(out, list | tuple) else []
    if len(targets) != len(values) or not all(isinstance(target, Tensor) for target in targets):
        expected = "Tensor" if isinstance(result, Tensor) else f"a tuple of {len(values)} Tensors"
        raise TypeError(f"{who}argument 'out' must be {expected}, not {type(out).__name__}")
    for target, value in zip(targets, values, strict=True):
        _check(who, target, value)
    for target, value in zip(targets, values, strict=True):
        if target.shape != value.shape:
            target.resize_(value.shape)
        target.copy_(value)
    if isinstance(result, Tensor):
        return out
    return type(result)(*targets) if hasattr(result, "_fields") else tuple(targets)


def _check(who: str, target: Tensor, value: Tensor) -> None:
    if _core.is_grad_enabled() and (target.requires_grad or value.requires_grad):
        raise RuntimeError(
            f"{who}out= does not support gradients, but one of the arguments requires grad; use the result "
            "that is returned without out=, or no_grad()"
        )
    if not can_cast(value.dtype, target.dtype):
        raise RuntimeError(
            f"{who}the result is {value.dtype} and cannot be written into an out tensor of {target.dtype}"
        )
    if target.shape != value.shape and target.numel() != 0:
        raise RuntimeError(
            f"{who}the result has shape {tuple(value.shape)}, but out= has shape {tuple(target.shape)}; pass "
            "an empty tensor, which takes on the shape"
        )


def with_out(function: Callable[..., R]) -> Callable[..., R]:
    """The same function with a keyword argument ``out``."""

    @functools.wraps(function)
    def wrapper(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else into(out, result, function.__name__)

    wrapper.__doc__ = f"{function.__doc__}\n\n    ``out`` is the tensor, or the tuple of them, to write into."
    return wrapper
