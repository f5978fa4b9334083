"""Modules that change the shape only: Flatten and Unflatten."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import operator
from typing import Any

from unspool._core import Tensor
from unspool.nn.modules.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Takes dimensions ``start_dim`` to ``end_dim`` together: (N, C, H, W) becomes (N, C * H * W).

    Args:
        start_dim: first dimension taken in.
        end_dim: last dimension taken in.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits dimension ``dim`` into several of sizes ``unflattened_size``, one of which may be -1.

    Args:
        dim: the dimension, by position.
        unflattened_size: the new sizes, a tuple or list of int.

    Raises:
        TypeError: ``dim`` is not an int, or ``unflattened_size`` not a tuple of them.
        NotImplementedError: named dimensions.
    """

    def __init__(self, dim: int | str, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise NotImplementedError(
                "Unflatten: named dimensions (torch.nn.Unflatten with a str dim) are not available"
            )
        try:
            dim = operator.index(dim)
        except TypeError:
            raise TypeError(f"Unflatten: dim must be an int, got {type(dim).__name__}") from None
        if not isinstance(unflattened_size, tuple | list):
            raise TypeError(
                f"unflattened_size must be tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        at = self.dim + input.dim() if self.dim < 0 else self.dim
        if not 0 <= at < input.dim():
            raise IndexError(
                f"Unflatten: dim {self.dim} is out of range for input of shape {tuple(input.shape)}"
            )
        sizes = [*input.shape]
        return input.reshape([*sizes[:at], *self.unflattened_size, *sizes[at + 1 :]])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
