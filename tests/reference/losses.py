"""Rows: loss functions and distances, each with its reductions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .activations import log_softmax
from .rows import Array, Draw, Row, Sample, Samples, bad, call, ones, table

LOSS: dict[str, Any] = {"forms": ("nn.functional",), "result": "same", "scale": "largest"}
REDUCTIONS = ("mean", "sum", "none")
BAD_REDUCTION = bad(ValueError, ones(2, 3), ones(2, 3), reduction="average", words=("average",))


def reduce(values: Array, reduction: str) -> Array:
    """The mean, the sum, or the values themselves."""
    if reduction == "none":
        return np.asarray(values)
    with np.errstate(all="ignore"):
        total = np.asarray(np.sum(values, dtype=np.float64))
        return total / np.float64(np.size(values)) if reduction == "mean" else total


def pointwise(formula: Callable[..., Array]) -> Callable[..., Array]:
    """A loss from a formula for one element: adds the `reduction` argument."""

    def loss(*args: Array, reduction: str = "mean", **options: Any) -> Array:
        return reduce(formula(*args, **options), reduction)

    return loss


def pairs(away: tuple[float, ...] = (), variants: tuple[dict[str, Any], ...] = ({},)) -> Samples:
    """(input, target) whose differences keep away from the loss's kinks."""

    def samples(draw: Draw) -> Iterator[Sample]:
        for reduction in REDUCTIONS:
            for shape in ((), (7,), (3, 5), (2, 3, 4), (0,), (65, 33)):
                x = draw(*shape)
                yield call(x, np.asarray(x - draw(*shape, away=away)), reduction=reduction)
        for variant in variants:
            x = draw(4, 5)
            yield call(x, np.asarray(x - draw(4, 5, away=away)), **variant)

    return samples


def smooth_l1(d: Array, beta: float) -> Array:
    """Half the square over beta inside |d| < beta, |d| - beta / 2 outside."""
    size = np.abs(d)
    if beta == 0:
        return np.asarray(size)
    return np.asarray(np.where(size < beta, 0.5 * d * d / beta, size - 0.5 * beta))


def nll(logp: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str) -> Array:
    """Minus weight[t] logp[t] along dim 1 (dim 0 without batch); the mean divides by the weights used."""
    axis = 1 if logp.ndim > 1 else 0
    used = target != ignore_index
    index = np.where(used, target, 0)
    weights = np.ones(logp.shape[axis]) if weight is None else weight
    factor = np.where(used, weights[index], 0.0)
    values = -factor * np.take_along_axis(logp, np.expand_dims(index, axis), axis).squeeze(axis)
    if reduction != "mean":
        return reduce(np.asarray(values), reduction)
    with np.errstate(all="ignore"):
        return np.asarray(np.asarray(values.sum()) / np.asarray(factor.sum()))


def nll_loss(
    x: Array, target: Array, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    """Negative log likelihood of the target class."""
    return nll(x, target, weight, ignore_index, reduction)


def cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross entropy of softmax(x) with class indices or class probabilities, smoothed toward uniform."""
    axis = 1 if x.ndim > 1 else 0
    classes = x.shape[axis]
    logp = log_softmax(x, axis)
    weights = np.ones(classes) if weight is None else np.asarray(weight, dtype=np.float64)
    along = weights.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    if target.dtype.kind == "f":
        smoothed = target * (1 - label_smoothing) + label_smoothing / classes
        values = -(logp * along * smoothed).sum(axis=axis)
        if reduction == "mean":
            return np.asarray(values.sum() / (x.size / classes))
        return reduce(np.asarray(values), reduction)
    used = target != ignore_index
    even = np.where(used, -(logp * along).sum(axis=axis), 0.0)
    if reduction == "mean":
        even = even.sum() / np.where(used, weights[np.where(used, target, 0)], 0.0).sum()
    elif reduction == "sum":
        even = even.sum()
    hard = nll(logp, target, weights, ignore_index, reduction)
    return np.asarray((1 - label_smoothing) * hard + label_smoothing / classes * even)


def _class_samples(draw: Draw, log: bool) -> Iterator[Sample]:
    def scores(*shape: int) -> Array:
        x = draw(*shape)
        return log_softmax(x, 1 if len(shape) > 1 else 0).astype(draw.dtype) if log else x

    weight = draw(4, low=0.3, high=2.0)
    for reduction in REDUCTIONS:
        yield call(scores(5, 4), draw.classes(5, count=4), reduction=reduction)
        yield call(scores(5, 4), draw.classes(5, count=4), weight=weight, reduction=reduction)
        yield call(scores(4), draw.classes(count=4), reduction=reduction)
        yield call(scores(2, 4, 3), draw.classes(2, 3, count=4), reduction=reduction)
        yield call(scores(2, 4, 3, 2), draw.classes(2, 3, 2, count=4), weight=weight, reduction=reduction)
        ignored = draw.classes(6, count=4)
        ignored[::3] = 2
        yield call(scores(6, 4), ignored, ignore_index=2, reduction=reduction)
        yield call(scores(6, 4), np.where(ignored == 2, -100, ignored), weight=weight, reduction=reduction)
    yield call(scores(70, 33), draw.classes(70, count=33))
    if not log:
        for reduction in REDUCTIONS:
            yield call(scores(5, 4), draw.classes(5, count=4), label_smoothing=0.2, reduction=reduction)
            yield call(
                scores(6, 4), ignored, weight=weight, ignore_index=2, label_smoothing=0.1, reduction=reduction
            )
            yield call(scores(5, 4), draw.probabilities(5, 4), reduction=reduction)
            yield call(
                scores(2, 4, 3), draw.probabilities(2, 4, 3, dim=1), weight=weight, reduction=reduction
            )
            yield call(scores(4), draw.probabilities(4), label_smoothing=0.3, reduction=reduction)
        yield call((draw(5, 4) * 200).astype(draw.dtype), draw.classes(5, count=4), smooth=False)


def binary_cross_entropy(x: Array, y: Array, weight: Array | float = 1.0) -> Array:
    """-w (y log x + (1 - y) log(1 - x)), the logarithms held above -100."""
    with np.errstate(all="ignore"):
        return np.asarray(
            -weight * (y * np.maximum(np.log(x), -100) + (1 - y) * np.maximum(np.log1p(-x), -100))
        )


def with_logits(x: Array, y: Array, weight: Array | float = 1.0, pos_weight: Array | float = 1.0) -> Array:
    """-w (p y log sigmoid(x) + (1 - y) log(1 - sigmoid(x)))."""
    return np.asarray(weight * (pos_weight * y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)))


def _binary_samples(logits: bool) -> Samples:
    def samples(draw: Draw) -> Iterator[Sample]:
        def scores(*shape: int) -> Array:
            return draw(*shape) if logits else draw(*shape, low=0.05, high=0.95)

        for reduction in REDUCTIONS:
            for shape in ((), (7,), (3, 5), (0,), (65, 33)):
                yield call(scores(*shape), draw(*shape, low=0.0, high=1.0), reduction=reduction)
            weight = draw(5, low=0.3, high=2.0)
            yield call(scores(3, 5), draw(3, 5, low=0.0, high=1.0), weight=weight, reduction=reduction)
            if logits:
                yield call(
                    scores(3, 5), draw.mask(3, 5).astype(draw.dtype), pos_weight=weight, reduction=reduction
                )
        yield call(scores(3, 5), draw.mask(3, 5).astype(draw.dtype))
        if logits:
            yield call((draw(6) * 200).astype(draw.dtype), draw(6, low=0.0, high=1.0), smooth=False)
        else:
            yield call(np.array([0, 1, 0, 1], draw.dtype), np.array([0, 1, 1, 0], draw.dtype), smooth=False)

    return samples


def kl_div(x: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """target (log target - x); with log_target the target holds logarithms; "batchmean" divides by dim 0."""
    with np.errstate(all="ignore"):
        if log_target:
            values = np.exp(target) * (target - x)
        else:
            values = (
                np.where(target > 0, target * np.log(np.where(target > 0, target, 1.0)), 0.0) - target * x
            )
    if reduction == "batchmean":
        return np.asarray(values.sum() / x.shape[0])
    return reduce(np.asarray(values), reduction)


def _kl_samples(draw: Draw) -> Iterator[Sample]:
    x = log_softmax(draw(4, 5), 1).astype(draw.dtype)
    for reduction in (*REDUCTIONS, "batchmean"):
        yield call(x, draw.probabilities(4, 5), reduction=reduction)
        yield call(x, np.log(draw.probabilities(4, 5)), reduction=reduction, log_target=True)
    yield call(draw(2, 3, 4), draw.probabilities(2, 3, 4), reduction="sum")


def multi_margin_loss(
    x: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    reduction: str = "mean",
) -> Array:
    """Sum over i != t of w[t] max(0, margin - x[t] + x[i])^p, divided by the number of classes."""
    scores, labels = np.atleast_2d(x), np.atleast_1d(target)
    rows = np.arange(len(labels))
    gaps = np.maximum(0.0, margin - scores[rows, labels][:, None] + scores) ** p
    gaps[rows, labels] = 0.0
    if weight is not None:
        gaps = gaps * weight[labels][:, None]
    values = gaps.sum(axis=1) / scores.shape[1]
    return reduce(np.asarray(values if x.ndim > 1 else values[0]), reduction)


def _margin_samples(draw: Draw) -> Iterator[Sample]:
    def scores(*shape: int) -> Array:
        return (draw.distinct(*shape) + np.asarray(0.0111)).astype(draw.dtype)

    for reduction in REDUCTIONS:
        yield call(scores(5, 4), draw.classes(5, count=4), reduction=reduction)
        yield call(scores(4), draw.classes(count=4), reduction=reduction)
        yield call(scores(), draw.classes(count=1), reduction=reduction)
        yield call(scores(5, 4), draw.classes(5, count=4), p=2, margin=0.7, reduction=reduction)
        weight = draw(4, low=0.3, high=2.0)
        yield call(scores(5, 4), draw.classes(5, count=4), weight=weight, reduction=reduction)


def multilabel_margin_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Sum over own and other classes of max(0, 1 - x[own] + x[other]), divided by the number of classes."""
    scores, labels = np.atleast_2d(x), np.atleast_2d(target)
    values = np.zeros(len(scores))
    for row, listed in enumerate(labels):
        ends = np.flatnonzero(listed < 0)
        own = listed[: ends[0]] if len(ends) else listed
        others = [c for c in range(scores.shape[1]) if c not in own]
        gaps = 1 - scores[row, own][:, None] + scores[row, others]
        values[row] = np.maximum(0.0, gaps).sum() / scores.shape[1]
    return reduce(np.asarray(values if x.ndim > 1 else values[0]), reduction)


def _multilabel_samples(draw: Draw) -> Iterator[Sample]:
    labels = np.array([[1, 3, -1, 0], [-1, 1, 2, 3], [0, 1, 2, 3], [2, -1, -1, -1], [2, 2, -1, 0]])
    scores = (draw.distinct(5, 4) + np.asarray(0.0111)).astype(draw.dtype)
    for reduction in REDUCTIONS:
        yield call(scores, labels, reduction=reduction)
        yield call(scores[0], labels[0], reduction=reduction)
    yield call(draw(0, 4), np.zeros((0, 4), np.int64), reduction="sum")


def _signed_samples(away: tuple[float, ...], count: int = 1) -> Samples:
    def samples(draw: Draw) -> Iterator[Sample]:
        for reduction in REDUCTIONS:
            for shape in ((), (7,), (3, 5), (0,)):
                if count == 1:
                    yield call(draw(*shape, away=away), draw.signs(*shape), reduction=reduction)
                else:
                    x = draw(*shape)
                    other = np.asarray(x - draw(*shape, away=away))
                    yield call(x, other, draw.signs(*shape), reduction=reduction)
        if away:
            kwargs = {"margin": 0.5}
            if count == 1:
                yield call(draw(4, 5, away=away), draw.signs(4, 5), **kwargs)
            else:
                x = draw(4, 5)
                yield call(x, np.asarray(x - draw(4, 5, away=away)), draw.signs(4, 5), **kwargs)

    return samples


def poisson(x: Array, t: Array, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Array:
    """exp(x) - t x, or x - t log(x + eps); `full` adds Stirling's approximation for t > 1."""
    values = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        safe = np.where(t > 1, t, 1.0)
        values = values + np.where(t > 1, safe * np.log(safe) - safe + 0.5 * np.log(2 * np.pi * safe), 0.0)
    return np.asarray(values)


def _poisson_samples(draw: Draw) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield call(draw(4, 5), draw(4, 5, low=0.0, high=4.0, away=(1.0,)), reduction=reduction)
        yield call(draw(4, 5), draw(4, 5, low=1.2, high=4.0), full=True, reduction=reduction)
        yield call(
            draw(4, 5, low=0.2, high=3.0), draw(4, 5, low=0.0, high=4.0), log_input=False, reduction=reduction
        )


def gaussian(x: Array, t: Array, var: Array, full: bool = False, eps: float = 1e-6) -> Array:
    """(log v + (x - t)^2 / v) / 2 with v = max(var, eps); `full` adds log(2 pi) / 2."""
    if var.ndim and var.shape != x.shape and var.shape == x.shape[:-1]:
        var = var[..., None]
    v = np.maximum(var, eps)
    return np.asarray(0.5 * (np.log(v) + (x - t) ** 2 / v) + (0.5 * np.log(2 * np.pi) if full else 0.0))


def _gaussian_samples(draw: Draw) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        for shape in ((4, 5), (4, 1), (4,)):
            yield call(draw(4, 5), draw(4, 5), draw(*shape, low=0.3, high=2.0), reduction=reduction)
        yield call(draw(4, 5), draw(4, 5), draw(4, 5, low=0.3, high=2.0), full=True, reduction=reduction)


def cosine_similarity(x: Array, y: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """x . y over the product of the norms, each norm at least eps."""
    length = np.maximum(np.sqrt((x * x).sum(axis=dim)), eps) * np.maximum(np.sqrt((y * y).sum(axis=dim)), eps)
    return np.asarray((x * y).sum(axis=dim) / length)


def _cosine_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(4, 5), draw(4, 5))
    yield call(draw(4, 5), draw(4, 5), dim=0)
    yield call(draw(4, 5), draw(1, 5))
    yield call(draw(2, 3, 4), draw(3, 4), dim=-1)
    yield call(draw(2, 3, 4), draw(2, 3, 4), dim=1)
    yield call(draw(5), draw(5), dim=0)


def _elementwise_rows() -> tuple[Row, ...]:
    shapes = bad(RuntimeError, ones(2, 3), ones(2, 4), words=("(2, 3)", "(2, 4)"))
    return (
        Row(
            name="mse_loss",
            reference=pointwise(lambda x, y: (x - y) ** 2),
            samples=pairs(),
            **LOSS,
            bad=(shapes, BAD_REDUCTION),
        ),
        Row(
            name="l1_loss",
            reference=pointwise(lambda x, y: np.abs(x - y)),
            samples=pairs((0.0,)),
            **LOSS,
            bad=(shapes, BAD_REDUCTION),
        ),
        Row(
            name="smooth_l1_loss",
            reference=pointwise(lambda x, y, beta=1.0: smooth_l1(x - y, beta)),
            **LOSS,
            samples=pairs((0.0, 1.0, -1.0, 0.5, -0.5), ({"beta": 0.5}, {"beta": 0.0})),
            bad=(shapes, BAD_REDUCTION, bad(RuntimeError, ones(2), ones(2), beta=-1.0, words=("beta",))),
        ),
        Row(
            name="huber_loss",
            reference=pointwise(lambda x, y, delta=1.0: delta * smooth_l1(x - y, delta)),
            **LOSS,
            samples=pairs((0.0, 1.0, -1.0, 0.5, -0.5), ({"delta": 0.5},)),
            bad=(shapes, BAD_REDUCTION, bad(RuntimeError, ones(2), ones(2), delta=0.0, words=("delta",))),
        ),
        Row(
            name="binary_cross_entropy",
            reference=pointwise(binary_cross_entropy),
            samples=_binary_samples(False),
            **LOSS,
            fixed=(1,),
            bad=(
                bad(ValueError, ones(2, 3), ones(2, 4), words=("(2, 3)", "(2, 4)")),
                bad(RuntimeError, ones(3) * 1.5, ones(3), words=("between 0 and 1",)),
                bad(RuntimeError, ones(3, dtype="uint8"), ones(3), words=("uint8",)),
                bad(RuntimeError, np.array([0.5, np.nan], np.float32), ones(2), words=("element 1",)),
                BAD_REDUCTION,
            ),
        ),
        Row(
            name="binary_cross_entropy_with_logits",
            reference=pointwise(with_logits),
            samples=_binary_samples(True),
            **LOSS,
            bad=(bad(ValueError, ones(2, 3), ones(2, 4), words=("(2, 3)", "(2, 4)")), BAD_REDUCTION),
        ),
        Row(name="kl_div", reference=kl_div, samples=_kl_samples, **LOSS, bad=(shapes, BAD_REDUCTION)),
        Row(
            name="hinge_embedding_loss",
            **{**LOSS, "scale": "absolute"},
            samples=_signed_samples((1.0, 0.5)),
            fixed=(1,),
            bad=(shapes, BAD_REDUCTION),
            reference=pointwise(lambda x, y, margin=1.0: np.where(y == 1, x, np.maximum(0.0, margin - x))),
        ),
        Row(
            name="soft_margin_loss",
            **LOSS,
            samples=_signed_samples(()),
            fixed=(1,),
            bad=(BAD_REDUCTION,),
            reference=pointwise(lambda x, y: np.logaddexp(0.0, -y * x)),
        ),
        Row(
            name="margin_ranking_loss",
            **LOSS,
            samples=_signed_samples((0.0, 0.5, -0.5), 2),
            fixed=(2,),
            reference=pointwise(lambda a, b, y, margin=0.0: np.maximum(0.0, -y * (a - b) + margin)),
        ),
        Row(
            name="poisson_nll_loss",
            reference=pointwise(poisson),
            samples=_poisson_samples,
            fixed=(1,),
            **LOSS,
            bad=(BAD_REDUCTION,),
        ),
        Row(
            name="gaussian_nll_loss",
            reference=pointwise(gaussian),
            samples=_gaussian_samples,
            **LOSS,
            bad=(
                bad(ValueError, ones(2, 3), ones(2, 3), ones(4)),
                bad(ValueError, ones(2, 3), ones(2, 3), -ones(2, 3), words=("negative",)),
                bad(ValueError, ones(2, 3), ones(2, 3), -1.0, words=("negative",)),
            ),
        ),
        Row(
            name="cosine_similarity",
            reference=cosine_similarity,
            samples=_cosine_samples,
            **LOSS,
            bad=(
                bad(RuntimeError, ones(2, 3), ones(2, 4), words=("(2, 3)", "(2, 4)")),
                bad(IndexError, ones(3), ones(3), words=("1",)),
            ),
        ),
    )


def _class_rows() -> tuple[Row, ...]:
    long = {"dtype": "int64"}
    return (
        Row(
            name="cross_entropy",
            reference=cross_entropy,
            samples=lambda draw: _class_samples(draw, False),
            **LOSS,
            bad=(
                bad(ValueError, ones(5, 4), ones(3, **long), words=("5", "3")),
                bad(IndexError, ones(5, 4), ones(5, **long) * 4, words=("4",)),
                bad(IndexError, ones(5, 4), -ones(5, **long), words=("-1",)),
                bad(RuntimeError, ones(5, 4), ones(5, 3), words=("(5, 4)", "(5, 3)")),
                bad(RuntimeError, ones(5, 4), ones(5, **long), ones(3), words=("4", "3")),
                bad(
                    RuntimeError, ones(5, 4), ones(5, **long), label_smoothing=1.5, words=("label_smoothing",)
                ),
                bad(ValueError, ones(5, 4), ones(5, **long), reduction="average", words=("average",)),
            ),
        ),
        Row(
            name="nll_loss",
            reference=nll_loss,
            samples=lambda draw: _class_samples(draw, True),
            **LOSS,
            bad=(
                bad(ValueError, ones(5, 4), ones(3, **long), words=("5", "3")),
                bad(IndexError, ones(5, 4), ones(5, **long) * 9, words=("9",)),
                bad(RuntimeError, ones(5, 4), ones(5), words=("float32",)),
                bad(RuntimeError, ones(5, 4), ones(5, **long), ones(3), words=("4", "3")),
            ),
        ),
        Row(
            name="multi_margin_loss",
            reference=multi_margin_loss,
            samples=_margin_samples,
            **LOSS,
            bad=(
                bad(RuntimeError, ones(5, 4), ones(3, **long), words=("5", "3")),
                bad((IndexError, RuntimeError), ones(5, 4), ones(5, **long) * 4, words=("4",)),
                bad(ValueError, ones(5, 4), ones(5, **long), p=3, words=("3",)),
                bad(ValueError, ones(5, 4), ones(5, **long), weight=ones(2, 2), words=("(2, 2)",)),
            ),
        ),
    )


def _multilabel_row() -> Row:
    long = {"dtype": "int64"}
    return Row(
        name="multilabel_margin_loss",
        reference=multilabel_margin_loss,
        samples=_multilabel_samples,
        **LOSS,
        ties=False,
        bad=(
            bad(RuntimeError, ones(5, 4), ones(5, 3, **long), words=("(5, 4)", "(5, 3)")),
            bad(RuntimeError, ones(5, 4), ones(5, 4), words=("float32",)),
            bad(IndexError, ones(5, 4), ones(5, 4, **long) * 4, words=("4",)),
            bad(ValueError, ones(5, 4), ones(5, 4, **long), reduction="average", words=("average",)),
        ),
    )


ROWS = table(*_elementwise_rows(), *_class_rows(), _multilabel_row())
