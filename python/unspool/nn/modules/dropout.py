"""Dropout as a module."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module

__all__ = ["Dropout"]


class _Dropout(Module):
    """What the kinds of dropout share.

    Args:
        p: probability of an element to be zeroed.
        inplace: overwrite the input.

    Raises:
        ValueError: ``p`` is not in [0, 1].
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zeroes each element with probability ``p`` and scales the rest by 1 / (1 - p).

    In evaluation it returns its input. Any shape; Srivastava et al. 2014.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)
