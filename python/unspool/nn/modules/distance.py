"""Distances between vectors as modules."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """||x1 - x2 + eps||_p along the last dimension: (N, D) and (N, D) give (N,).

    Args:
        p: exponent of the norm.
        eps: added to every difference.
        keepdim: keep the last dimension, with size 1.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """<x1, x2> / (max(||x1||, eps) * max(||x2||, eps)) along ``dim``, which is gone from the result.

    Args:
        dim: the dimension that holds the vectors.
        eps: smallest norm that is divided by.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
