"""Losses that are a short expression in other operations."""

# ruff: noqa: D417 (arguments that all losses share are described with mse_loss)

from __future__ import annotations

from collections.abc import Callable

import unspool
from unspool._arguments import require_tensor, require_tensors
from unspool._core import Tensor
from unspool.nn._functional.common import legacy_reduction, ops, reduced
from unspool.nn._functional.distance import pairwise_distance


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    Args:
        input1: shape (N, D) or (D,).
        input2: the same shape.
        target: 1 or -1, shape (N,) or ().

    Raises:
        RuntimeError: other shapes.
    """
    require_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.dim() not in (0, 1) or input1.dim() != target.dim() + 1 or input2.dim() != target.dim() + 1:
        raise RuntimeError(
            "cosine_embedding_loss: expected inputs (N, D) with target (N,), or inputs (D,) with a 0-d "
            "target; got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    if not input1.is_floating_point():
        input1, input2 = input1.to(unspool.get_default_dtype()), input2.to(unspool.get_default_dtype())
    cosine = ops.cosine_similarity(input1, input2, dim=-1, eps=1e-6)
    near = unspool.where(target.eq(1), 1 - cosine, 0.0)
    far = unspool.where(target.eq(-1), (cosine - margin).clamp_min(0), 0.0)
    return reduced(near + far, reduction, "cosine_embedding_loss")


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d a p-norm (Balntas et al. 2016).

    Args:
        anchor: shape (N, D) or (D,), as ``positive`` and ``negative``.
        swap: use d(positive, negative) where it is smaller than d(anchor, negative).

    Raises:
        ValueError: ``margin`` is not above 0.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    require_tensors("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "triplet_margin_loss: the anchor, positive, and negative tensors are expected to have the same "
            f"number of dimensions, but got {tuple(anchor.shape)}, {tuple(positive.shape)} and "
            f"{tuple(negative.shape)}"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = unspool.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced((near - far + margin).clamp_min(0), reduction, "triplet_margin_loss")


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with any distance; the Euclidean one by default."""
    if distance_function is None:
        distance_function = pairwise_distance
        require_tensors(
            "triplet_margin_with_distance_loss", anchor=anchor, positive=positive, negative=negative
        )
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    near, far = distance_function(anchor, positive), distance_function(anchor, negative)
    if swap:
        far = unspool.minimum(far, distance_function(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction, "triplet_margin_with_distance_loss")


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over classes of -(t log sigmoid(x) + (1 - t) log sigmoid(-x)).

    Args:
        input: scores, shape (N, C) or (C,).
        target: 0 or 1, the same shape.
        weight: one weight per class, shape (C,).
    """
    require_tensor("target", target, "multilabel_soft_margin_loss")
    if weight is not None:
        require_tensor("weight", weight, "multilabel_soft_margin_loss")
    reduction = legacy_reduction(size_average, reduce, reduction)
    loss = -(target * ops.logsigmoid(input) + (1 - target) * ops.logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.mean(-1), reduction, "multilabel_soft_margin_loss")
