"""Dropout, of elements and of whole channels, as modules."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


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


class Dropout1d(_Dropout):
    """In training, zeroes whole channels of (N, C, L) or (C, L) with probability ``p``.

    The other channels are scaled by 1 / (1 - p); in evaluation it returns its input. Tompson et al. 2015.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training, zeroes whole channels of (N, C, H, W) with probability ``p``; as ``Dropout1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """In training, zeroes whole channels of (N, C, D, H, W) or (C, D, H, W); as ``Dropout1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """In training, sets elements to selu's saturation value with probability ``p``.

    The result is rescaled so that standard normal inputs keep their mean and variance; in evaluation it
    returns its input. Any shape; Klambauer et al. 2017.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """``AlphaDropout`` of whole channels of (N, C, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
