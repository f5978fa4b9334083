"""Losses that are a short expression in other operations."""

# ruff: noqa: D417 (arguments that all losses share are described with mse_loss)

from __future__ import annotations

import math
from collections.abc import Callable

import unspool
from unspool._core import Tensor
from unspool.nn._functional.common import legacy_reduction, reduced
from unspool.nn._functional.distance import cosine_similarity, pairwise_distance


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Gives x where the target is 1, max(0, margin - x) where it is -1.

    Args:
        input: distances, any shape.
        target: 1 or -1, the same shape.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    near = unspool.where(target.eq(1), input, 0.0)
    far = unspool.where(target.eq(-1), (margin - input).clamp_min(0), 0.0)
    return reduced(near + far, reduction, "hinge_embedding_loss")


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-t x)) for targets t of 1 or -1, any shape."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    return reduced(
        unspool.nn.functional.softplus(-target * input, 1.0, math.inf), reduction, "soft_margin_loss"
    )


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -t (x1 - x2) + margin): t = 1 where x1 should rank higher, -1 where x2 should.

    Raises:
        RuntimeError: the three tensors differ in their number of dimensions.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)} "
        )
    loss = (-target * (input1 - input2) + margin).clamp_min(0)
    return reduced(loss, reduction, "margin_ranking_loss")


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
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.dim() not in (0, 1) or input1.dim() != target.dim() + 1 or input2.dim() != target.dim() + 1:
        raise RuntimeError(
            "cosine_embedding_loss: expected inputs (N, D) with target (N,), or inputs (D,) with a 0-d "
            "target; got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    cosine = cosine_similarity(input1, input2, dim=-1, eps=1e-6)
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
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = unspool.minimum(far, distance(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction, "triplet_margin_with_distance_loss")


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - t x for ``log_input``, else x - t log(x + eps): a Poisson count's negative log likelihood.

    Args:
        input: logarithm of the rate, or the rate; any shape.
        target: counts, the same shape.
        full: add Stirling's approximation of log(t!) where t > 1.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    loss = unspool.exp(input) - target * input if log_input else input - target * unspool.log(input + eps)
    if full:
        stirling = target * unspool.log(target) - target + 0.5 * unspool.log(2 * math.pi * target)
        loss = loss + unspool.where(target > 1, stirling, 0.0)
    return reduced(loss, reduction, "poisson_nll_loss")


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log var + (x - t)^2 / var) / 2: a Gaussian's negative log likelihood (Nix and Weigend 1994).

    Args:
        input: means, shape (N, ...).
        target: the same shape, or one that broadcasts.
        var: variances: the shape of ``input``, the same with a last dimension of 1, or without that
            dimension; or a number.
        full: add log(2 pi) / 2.
        eps: the variance is held above it; no gradient flows through that.

    Raises:
        ValueError: a negative variance, another shape of ``var``, or an unknown reduction.
    """
    variance: Tensor = var if isinstance(var, Tensor) else unspool.full_like(input, var)
    if bool((variance < 0).any()):
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    if variance.shape != input.shape:
        sizes = tuple(input.shape)
        if sizes[:-1] == tuple(variance.shape):
            variance = variance.unsqueeze(-1)
        elif not (
            variance.dim() == input.dim()
            and sizes[:-1] == tuple(variance.shape)[:-1]
            and variance.shape[-1] == 1
        ):
            raise ValueError(
                f"gaussian_nll_loss: var of shape {tuple(variance.shape)} does not fit input of shape {sizes}: "
                "expected "
                f"{sizes}, {(*sizes[:-1], 1)} or {sizes[:-1]}"
            )
    # The floor is applied to the value alone: below it the variance still receives its gradient.
    held = variance + (variance.detach().clamp_min(eps) - variance.detach())
    loss = 0.5 * (unspool.log(held) + (input - target) ** 2 / held)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction, "gaussian_nll_loss")


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
    reduction = legacy_reduction(size_average, reduce, reduction)
    logsigmoid = unspool.nn.functional.logsigmoid
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.mean(-1), reduction, "multilabel_soft_margin_loss")
