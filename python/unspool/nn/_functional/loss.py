"""Loss functions with an operation of their own: the old reduction flags, and warnings for silent broadcasts.

Losses that are a short expression in other operations are in ``loss_composed.py``.
"""

# ruff: noqa: D417 (arguments that all losses share are described with mse_loss)

from __future__ import annotations

import warnings

from unspool._core import Tensor
from unspool.nn._functional.common import legacy_reduction, ops, reduced


def warn_of_broadcast(name: str, input: Tensor, target: Tensor) -> None:
    """Predictions (N, 1) against targets (N,) give an N x N table, which is rarely meant."""
    if input.shape != target.shape:
        warnings.warn(
            f"{name}: Using a target size ({tuple(target.shape)}) that is different to the input size "
            f"({tuple(input.shape)}). This will likely lead to incorrect results due to broadcasting: every "
            "prediction "
            "is compared with several targets. Please ensure they have the same size, for example with "
            "target.view_as(input).",
            stacklevel=3,
        )


def weighted(loss: Tensor, weight: Tensor, reduction: str, name: str) -> Tensor:
    """``loss * weight``, where the mean is over the total weight."""
    if weight.shape != loss.shape:
        raise ValueError(
            f"{name}: weight of shape {tuple(weight.shape)} and input of shape {tuple(loss.shape)} must have "
            "the same "
            "size"
        )
    if reduction == "mean":
        return (loss * weight).sum() / weight.sum()
    return reduced(loss * weight, reduction, name)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2, element by element, then reduced.

    Args:
        input: predictions, any shape.
        target: the same shape (another one is broadcast, with a warning).
        reduction: "none", "mean" or "sum"; ``size_average`` and ``reduce`` are its deprecated forms.
        weight: the shape of ``input``; the mean is then over the total weight.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        warn_of_broadcast("mse_loss", input, target)
    if weight is not None:
        return weighted(ops.mse_loss(input, target, reduction="none"), weight, reduction, "mse_loss")
    return ops.mse_loss(input, target, reduction=reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, element by element, then reduced; arguments as ``mse_loss``."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        warn_of_broadcast("l1_loss", input, target)
    if weight is not None:
        return weighted(ops.l1_loss(input, target, reduction="none"), weight, reduction, "l1_loss")
    return ops.l1_loss(input, target, reduction=reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2 (Girshick 2015).

    Raises:
        ValueError, RuntimeError: ``beta`` is negative.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        warn_of_broadcast("smooth_l1_loss", input, target)
    if beta == 0.0:
        return ops.l1_loss(input, target, reduction=reduction)
    return ops.smooth_l1_loss(input, target, reduction=reduction, beta=beta)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 where d = |input - target| < delta, else delta * (d - delta / 2) (Huber 1964).

    Raises:
        ValueError, RuntimeError: ``delta`` is not above 0.
    """
    if input.shape != target.shape:
        warn_of_broadcast("huber_loss", input, target)
    if weight is not None:
        return weighted(
            ops.huber_loss(input, target, reduction="none", delta=delta), weight, reduction, "huber_loss"
        )
    return ops.huber_loss(input, target, reduction=reduction, delta=delta)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target]: the softmax loss.

    Args:
        input: unnormalized scores, shape (C,), (N, C) or (N, C, d1, ...).
        target: classes, int64, shape (), (N,) or (N, d1, ...); or probabilities, floating point, the shape of
            input.
        weight: one weight per class, shape (C,).
        ignore_index: a class that does not count.
        reduction: "none", "mean" (over the total weight of the targets) or "sum".
        label_smoothing: in [0, 1]: how much of the target is spread evenly over all classes (Szegedy et al.
            2016).

    Raises:
        ValueError, RuntimeError: shapes that do not go together.
        IndexError: a class outside of [0, C).
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.cross_entropy(
        input,
        target,
        weight=weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], for ``input`` of log probabilities; shapes and errors as ``cross_entropy``."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.nll_loss(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log(x) + (1 - t) log(1 - x)), each logarithm held above -100.

    Args:
        input: probabilities in [0, 1], any shape.
        target: in [0, 1], the same shape.
        weight: factor of each element; any shape that broadcasts.

    Raises:
        ValueError: shapes differ.
        RuntimeError: an input outside of [0, 1].
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"binary_cross_entropy: Using a target size ({tuple(target.shape)}) that is different to the "
            "input size "
            f"({tuple(input.shape)}) is deprecated. Please ensure they have the same size."
        )
    return ops.binary_cross_entropy(input, target, weight=weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy(sigmoid(x), t)`` without overflow.

    Args:
        input: scores, any shape.
        target: in [0, 1], the same shape.
        weight: factor of each element; any shape that broadcasts.
        pos_weight: factor of the positive term; any shape that broadcasts.

    Raises:
        ValueError: shapes differ.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"binary_cross_entropy_with_logits: Target size ({tuple(target.shape)}) must be the same as "
            "input size "
            f"({tuple(input.shape)})"
        )
    return ops.binary_cross_entropy_with_logits(
        input, target, weight=weight, reduction=reduction, pos_weight=pos_weight
    )


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Gives t * (log t - x) for ``input`` x of log probabilities (Kullback and Leibler 1951).

    Args:
        input: log probabilities, any shape.
        target: probabilities, or their logarithms where ``log_target``; the same shape.
        reduction: "none", "mean" (over all elements), "batchmean" (the sum over the first dimension's size:
            the divergence itself) or "sum".
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "batchmean":
        total: Tensor = ops.kl_div(input, target, reduction="sum", log_target=log_target)
        return total / input.shape[0] if input.dim() else total
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    return ops.kl_div(input, target, reduction=reduction, log_target=log_target)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Multi-class hinge: sum over the other classes of max(0, margin - x[t] + x[i])^p, divided by C.

    Args:
        input: scores, shape (N, C) or (C,).
        target: classes, int64, shape (N,) or ().
        p: 1 or 2.
        weight: one weight per class, shape (C,).

    Raises:
        ValueError: ``p`` is neither 1 nor 2, or ``weight`` is not 1-d.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.dim() != 1:
        raise ValueError(
            f"multi_margin_loss: weight must be one-dimensional, got shape {tuple(weight.shape)}"
        )
    return ops.multi_margin_loss(input, target, p=p, margin=margin, weight=weight, reduction=reduction)
