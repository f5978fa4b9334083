"""Distances, similarities and normalization of vectors."""

from __future__ import annotations

from unspool._arguments import require_tensor, require_tensors
from unspool._core import Tensor, hidden
from unspool._functions.out import into


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | tuple[int, ...] = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """Gives x / max(||x||_p, eps), the norm taken along ``dim``.

    Args:
        input: any shape.
        p: exponent of the norm.
        dim: dimension or dimensions that the norm runs over.
        eps: smallest divisor.
        out: tensor that receives the result.
    """
    require_tensor("input", input, "normalize")
    result = input / input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    normalized: Tensor = into(out, result, "normalize")
    return normalized


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """||x1 - x2 + eps||_p along the last dimension.

    Args:
        x1: shape (..., D).
        x2: a shape that broadcasts with that of ``x1``.
        p: exponent of the norm.
        eps: added to every difference, so that the distance of equal points has a gradient.
        keepdim: keep the last dimension, with size 1.

    Returns:
        Shape (...), or (..., 1).
    """
    require_tensors("pairwise_distance", x1=x1, x2=x2)
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """||x[i] - x[j]||_p for all i < j, row after row.

    Args:
        input: shape (N, M).
        p: exponent of the norm, from 0 to infinity.

    Returns:
        Shape (N (N - 1) / 2,).

    Raises:
        RuntimeError: another number of dimensions, or a negative ``p``.
    """
    require_tensors("pdist", input=input)
    if input.dim() != 2:
        raise RuntimeError(f"pdist: only supports 2-d inputs, got {tuple(input.shape)}")
    if not p >= 0:
        raise RuntimeError(f"pdist: p must not be negative, got {p}")
    if input.shape[0] < 2:
        return input.reshape(-1)[:0]
    return hidden.pdist_forward(input, p)
