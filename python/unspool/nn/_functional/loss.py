"""Loss functions that are operations: what is added here are the old flags for the reduction.

Losses that are a short expression in several operations are in ``loss_composed.py``.
"""

# ruff: noqa: D417 (arguments that all losses share are described with mse_loss)

from __future__ import annotations

from unspool._core import Tensor
from unspool.nn._functional.common import is_legacy, legacy_reduction, ops


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
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.mse_loss(input, target, reduction=reduction, weight=weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, element by element, then reduced; arguments as ``mse_loss``."""
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.l1_loss(input, target, reduction=reduction, weight=weight)


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
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.smooth_l1_loss(input, target, reduction=reduction, beta=beta)


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
    if is_legacy(size_average, reduce, reduction):
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
    if is_legacy(size_average, reduce, reduction):
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
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
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
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
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
        reduction: "none", "mean" (over all elements, not the divergence), "batchmean" (the sum over the first
            dimension's size: the divergence itself) or "sum".
    """
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
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
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.multi_margin_loss(input, target, p=p, margin=margin, weight=weight, reduction=reduction)


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
        margin: distance beyond which unlike pairs cost nothing.
    """
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.hinge_embedding_loss(input, target, margin=margin, reduction=reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-t x)) for targets t of 1 or -1, any shape."""
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.soft_margin_loss(input, target, reduction=reduction)


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
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.margin_ranking_loss(input1, input2, target, margin=margin, reduction=reduction)


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
    """exp(x) - t x for ``log_input``, else x - t log(x + eps): the negative log likelihood of counts.

    Args:
        input: logarithm of the rate, or the rate; any shape.
        target: counts, the same shape.
        log_input: the input holds logarithms.
        full: add Stirling's approximation of log(t!) where t > 1.
        eps: keeps log(x) finite where the input holds rates.
    """
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.poisson_nll_loss(input, target, log_input=log_input, full=full, eps=eps, reduction=reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge of each class of a sample against all others: sum of max(0, 1 - x[own] + x[other]), over C.

    Args:
        input: scores, shape (N, C) or (C,).
        target: the same shape, int64: classes up to the first negative number.

    Raises:
        RuntimeError: other shapes or dtypes.
        IndexError: a class outside of [0, C).
    """
    if is_legacy(size_average, reduce, reduction):
        reduction = legacy_reduction(size_average, reduce, reduction)
    return ops.multilabel_margin_loss(input, target, reduction=reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log var + (x - t)^2 / var) / 2: the negative log likelihood of a normal distribution.

    Args:
        input: means, any shape.
        target: a shape that broadcasts with that of ``input``.
        var: variances: the shape of ``input``, also with a last size of 1 or without it, or a number.
        full: add log(2 pi) / 2.
        eps: the variance is held above it, without a gradient for that.
        reduction: "none", "mean" or "sum".

    Raises:
        ValueError: ``var`` has another shape or a negative element.
    """
    if bool((var < 0).any()) if isinstance(var, Tensor) else var < 0:
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    return ops.gaussian_nll_loss(input, target, var, full=full, eps=eps, reduction=reduction)
