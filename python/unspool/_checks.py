"""Conditions that code asserts under PyTorch's names: ``torch._check`` and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool._core import Tensor

Message = Callable[[], object] | None


def _check_with(error_type: type[Exception], cond: Any, message: Message = None) -> None:
    """Raise an exception of the given class unless the condition holds.

    Raises:
        TypeError: the condition is no bool.
    """
    if not isinstance(cond, bool):
        raise TypeError(
            f"cond must be a bool, but got a {type(cond).__name__}; use _check_tensor_all() for tensors"
        )
    if not cond:
        raise error_type(
            str(message()) if message is not None else "Expected cond to be True, but got False."
        )


def _check(cond: Any, message: Message = None) -> None:
    """Raise RuntimeError unless the condition holds."""
    _check_with(RuntimeError, cond, message)


def _check_value(cond: Any, message: Message = None) -> None:
    """Raise ValueError unless the condition holds."""
    _check_with(ValueError, cond, message)


def _check_index(cond: Any, message: Message = None) -> None:
    """Raise IndexError unless the condition holds."""
    _check_with(IndexError, cond, message)


def _check_type(cond: Any, message: Message = None) -> None:
    """Raise TypeError unless the condition holds."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond: Any, message: Message = None) -> None:
    """Raise NotImplementedError unless the condition holds."""
    _check_with(NotImplementedError, cond, message)


def _check_is_size(i: int, message: Message = None, *, max: int | None = None) -> None:
    """Raise RuntimeError unless the number is from 0 to ``max``."""
    _check(i >= 0 and (max is None or i <= max), message)


def _check_tensor_all(cond: Tensor, message: Message = None) -> None:
    """Raise RuntimeError unless all elements are true."""
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got a {type(cond).__name__}; use _check()")
    _check(bool(cond.all()), message)
