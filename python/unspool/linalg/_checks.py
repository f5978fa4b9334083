"""Checks of matrices that the functions of this package share; messages name the function."""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor

__all__ = ["LinAlgError", "check_info", "check_matrix", "check_same_dtype", "check_square"]


class LinAlgError(RuntimeError):
    """A matrix does not allow what was asked for: singular, not positive-definite, or no convergence."""


def check_matrix(name: str, tensor: Any, argument: str = "A") -> None:
    """Raises TypeError for no tensor, RuntimeError for no batch of floating point matrices."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(tensor).__name__}")
    if tensor.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor {argument} must have at least 2 dimensions, got shape "
            f"{tuple(tensor.shape)}"
        )
    if not tensor.is_floating_point():
        raise RuntimeError(
            f"{name}: Expected a floating point tensor as input {argument}. Got {tensor.dtype}"
        )


def check_square(name: str, tensor: Any, argument: str = "A") -> None:
    """The same, and RuntimeError for matrices that are not square."""
    check_matrix(name, tensor, argument)
    rows, columns = tensor.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} "
            f"matrices"
        )


def check_same_dtype(name: str, first: Tensor, second: Any, argument: str = "B") -> None:
    """Raises where the second operand is no tensor of the first one's dtype."""
    if not isinstance(second, Tensor):
        raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(second).__name__}")
    if first.dtype != second.dtype:
        raise RuntimeError(
            f"{name}: Expected A and {argument} to have the same dtype, but got {first.dtype} and "
            f"{second.dtype}; convert one with .to()"
        )


def check_info(name: str, info: Tensor, problem: str) -> None:
    """Raises LinAlgError where ``info`` is not 0; ``problem`` may hold {i}, the number in it."""
    if info.numel() == 0 or not bool((info != 0).any()):
        return
    flat = info.reshape(-1).tolist()
    place = next(i for i, value in enumerate(flat) if value != 0)
    batch = f"(Batch element {place}): " if info.ndim else ""
    raise LinAlgError(f"{name}: {batch}{problem.format(i=flat[place])}")
