"""Rows: normalization over rows, groups, instances and batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .rows import Array, Draw, Row, Sample, bad, call, ones, table

NORM: dict[str, Any] = {
    "ties": False,  # equal values have no deviation but what rounding leaves
    "scale": "largest",
    "rtol": {"float32": 4e-6, "float64": 2e-13},
    "why": "a difference from the mean, over a deviation that can be smaller than the values",
}


def normalized(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    """(x - mean) / sqrt(variance + eps) over some axes."""
    center = x - x.mean(axis=axes, keepdims=True)
    return np.asarray(center / np.sqrt((center**2).mean(axis=axes, keepdims=True) + eps))


def per_channel(values: Array | None, ndim: int, default: float) -> Any:
    """One number per channel, shaped to broadcast along dimension 1."""
    return default if values is None else values.reshape(1, -1, *[1] * (ndim - 2))


def last_axes(shape: Any) -> tuple[int, ...]:
    """The axes that a normalized shape stands for."""
    return tuple(range(-len(shape), 0))


def layer_norm(
    x: Array, shape: Any, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Over the last dimensions."""
    y = normalized(x, last_axes(shape), eps)
    return np.asarray(y * (1.0 if weight is None else weight) + (0.0 if bias is None else bias))


def rms_norm(x: Array, shape: Any, weight: Array | None = None, eps: float | None = None) -> Array:
    """Over the last dimensions, without a mean; the references of float32 inputs compute in float64."""
    floor = np.finfo(x.dtype).eps if eps is None else eps
    y = x / np.sqrt((x**2).mean(axis=last_axes(shape), keepdims=True) + floor)
    return np.asarray(y * (1.0 if weight is None else weight))


def group_norm(
    x: Array, groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Over the channels of a group and everything behind them."""
    if x.size == 0:
        return x
    y = normalized(x.reshape(x.shape[0], groups, -1), (2,), eps).reshape(x.shape)
    return np.asarray(y * per_channel(weight, x.ndim, 1.0) + per_channel(bias, x.ndim, 0.0))


def batch_norm(
    x: Array,
    mean: Array | None = None,
    var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Over everything but the channels, or with given statistics."""
    del momentum
    if training:
        y = normalized(x, (0, *range(2, x.ndim)), eps) if x.size else x
    else:
        y = (x - per_channel(mean, x.ndim, 0.0)) / np.sqrt(per_channel(var, x.ndim, 1.0) + eps)
    return np.asarray(y * per_channel(weight, x.ndim, 1.0) + per_channel(bias, x.ndim, 0.0))


def instance_norm(
    x: Array,
    mean: Array | None = None,
    var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Over each channel of each sample, or with given statistics."""
    if not use_input_stats:
        return batch_norm(x, mean, var, weight, bias, False, momentum, eps)
    y = normalized(x, tuple(range(2, x.ndim)), eps) if x.size else x
    return np.asarray(y * per_channel(weight, x.ndim, 1.0) + per_channel(bias, x.ndim, 0.0))


def layer_samples(draw: Draw) -> Iterator[Sample]:
    for shape, last in (((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((7,), (7,)), ((3, 37), (37,)), ((35, 3), (3,))):
        yield call(draw(*shape), last)
        yield call(draw(*shape), last, draw(*last), draw(*last))
    yield call(draw(2, 3), [3], draw(3), None, 0.1)
    yield call(draw(2, 3), (3,), None, draw(3), eps=1e-3)
    yield call(draw(0, 3), (3,), draw(3), draw(3))
    yield call(draw(3, 1100), (1100,), draw(1100), draw(1100), smooth=False)


def rms_samples(draw: Draw) -> Iterator[Sample]:
    for shape, last in (((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((19, 37), (37,))):
        yield call(draw(*shape), last, None, 1e-5)
        yield call(draw(*shape), last, draw(*last), eps=1e-3)
    # The default eps follows the dtype of the call, so a value away from 0 is needed to compare by formula.
    yield call(draw(3, 4, low=0.5, high=2.0), [4], draw(4))
    yield call(draw(0, 3), (3,), draw(3))


def group_samples(draw: Draw) -> Iterator[Sample]:
    for shape, groups in (
        ((2, 6), 2), ((2, 4, 5), 2), ((2, 4, 3, 3), 1), ((2, 3, 2, 2), 3), ((1, 2, 2, 2, 3), 2),
    ):  # fmt: skip
        channels = shape[1]
        yield call(draw(*shape), groups)
        yield call(draw(*shape), groups, draw(channels), draw(channels), 1e-3)
    yield call(draw(18, 6), 3, draw(6), draw(6), smooth=False)  # pairs may be too close for differences
    yield call(draw(2, 4, 3), 2, draw(4), None)
    yield call(draw(2, 4, 3), 4, None, draw(4), eps=0.1)
    yield call(draw(0, 4, 3), 2, draw(4), draw(4))
    yield call(draw(2, 4, 0), 2, draw(4), draw(4))
    yield call(draw(2, 4, 33, 17), 2, draw(4), draw(4), smooth=False)


def statistics(draw: Draw, channels: int) -> tuple[Array, Array]:
    return draw(channels), draw(channels, low=0.5, high=2.0)


def batch_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((5, 3), (2, 3, 4), (3, 2, 2, 3), (1, 2, 3, 1, 2), (35, 11)):
        channels = shape[1]
        smooth = shape != (35, 11)
        weight, bias = draw(channels), draw(channels)
        mean, var = statistics(draw, channels)
        yield call(draw(*shape), None, None, weight, bias, True, smooth=smooth)
        yield call(draw(*shape), mean, var, weight, bias, smooth=smooth)
        yield call(draw(*shape), None, None, training=True, eps=0.1, smooth=smooth)
        yield call(draw(*shape), mean, var, eps=0.1, smooth=smooth)
    yield call(draw(4, 3), None, None, draw(3), None, training=True)
    yield call(draw(4, 3, 2), *statistics(draw, 3), None, draw(3))
    yield call(draw(0, 3), None, None, draw(3), draw(3), training=True)
    yield call(draw(2, 3, 0), *statistics(draw, 3), draw(3))
    yield call(draw(3, 4, 33, 17), None, None, draw(4), draw(4), True, smooth=False)
    yield call(draw(300, 40), None, None, draw(40), draw(40), True, smooth=False)


def instance_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((2, 3, 4), (2, 2, 2, 3), (1, 2, 3, 1, 2)):
        channels = shape[1]
        yield call(draw(*shape))
        yield call(draw(*shape), None, None, draw(channels), draw(channels), True, 0.1, 1e-3)
        yield call(draw(*shape), *statistics(draw, channels), draw(channels), use_input_stats=False)
    yield call(draw(0, 3, 4), None, None, draw(3), draw(3))


def top_level(samples: Any, flag: str) -> Any:
    """The samples in the order of arguments at top level: weights first, and all arguments given."""
    default = flag == "use_input_stats"

    def reordered(draw: Draw) -> Iterator[Sample]:
        for sample in samples(draw):
            x, mean, var, weight, bias, how, momentum, eps = (
                *sample.args, *(None, None, None, None, default, 0.1, 1e-5)[len(sample.args) - 1 :]
            )  # fmt: skip
            how, eps = sample.kwargs.get(flag, how), sample.kwargs.get("eps", eps)
            yield call(x, weight, bias, mean, var, how, momentum, eps, False, smooth=sample.smooth)

    return reordered


def swapped(function: Any) -> Any:
    def run(
        x: Array, w: Any, b: Any, mean: Any, var: Any, flag: bool, momentum: float, eps: float, _: bool
    ) -> Array:
        return np.asarray(function(x, mean, var, w, b, flag, momentum, eps))

    return run


BOTH = ("torch", "nn.functional")
BATCH = Row(
    name="batch_norm",
    reference=batch_norm,
    samples=batch_samples,
    forms=("nn.functional",),
    fixed=(1, 2),
    bad=(
        bad(ValueError, ones(1, 3), None, None, training=True, words=("more than 1 value",)),
        bad(RuntimeError, ones(2, 3), None, None, words=("running_mean",)),
        bad(RuntimeError, ones(2, 3), ones(2), ones(2), words=("running_mean", "3")),
        bad(RuntimeError, ones(2, 3), None, None, ones(2), training=True, words=("weight", "3")),
        bad(ValueError, ones(2, 3), ones(3), None, training=True, words=("running_var",)),
        bad(ValueError, ones(2, 3), None, None, training=True, eps=0.0, words=("eps",)),
        bad(IndexError, ones(3), None, None, training=True, words=("2 dimensions",)),
        bad(RuntimeError, ones(2, 3), None, None, ones(3, dtype="float64"), training=True, words=("weight",)),
        bad(NotImplementedError, ones(2, 3, dtype="int64"), None, None, training=True, words=("int64",)),
    ),
    **NORM,
)  # fmt: skip
INSTANCE = Row(
    name="instance_norm",
    reference=instance_norm,
    samples=instance_samples,
    forms=("nn.functional",),
    fixed=(1, 2),
    bad=(
        bad(ValueError, ones(2, 3, 1), words=("more than 1 spatial",)),
        bad(RuntimeError, ones(2, 3, 4), use_input_stats=False, words=("running_mean",)),
        bad(RuntimeError, ones(2, 3, 4), None, None, ones(4), words=("weight",)),
    ),
    **NORM,
)

ROWS = table(
    Row(
        name="layer_norm",
        reference=layer_norm,
        samples=layer_samples,
        forms=BOTH,
        bad=(
            bad(RuntimeError, ones(2, 3), (4,), words=("(4)", "(2, 3)")),
            bad(RuntimeError, ones(2, 3), (), words=("normalized_shape",)),
            bad(RuntimeError, ones(2, 3), (3,), ones(2), words=("weight",)),
            bad(RuntimeError, ones(2, 3), (3,), None, ones(3, dtype="float64"), words=("bias", "float64")),
            bad(NotImplementedError, ones(2, 3, dtype="int64"), (3,), words=("int64",)),
        ),
        **NORM,
    ),
    Row(
        name="rms_norm",
        reference=rms_norm,
        samples=rms_samples,
        forms=BOTH,
        bad=(bad(RuntimeError, ones(2, 3), (4,), words=("(4)",)),),
        **NORM,
    ),
    Row(
        name="group_norm",
        reference=group_norm,
        samples=group_samples,
        forms=BOTH,
        bad=(
            bad(RuntimeError, ones(2, 3), 2, words=("num_groups",)),
            bad(RuntimeError, ones(2, 3), 0, words=("num_groups",)),
            bad(RuntimeError, ones(3), 1, words=("2 dimensions",)),
            bad(RuntimeError, ones(2, 4, 3), 2, ones(3), words=("weight", "4")),
            bad(ValueError, ones(1, 3), 3, words=("more than 1 value",)),
        ),
        **NORM,
    ),
    BATCH,
    INSTANCE,
    replace(
        BATCH,
        name="torch.batch_norm",
        reference=swapped(batch_norm),
        samples=top_level(batch_samples, "training"),
        forms=("torch",),
        fixed=(3, 4),
        bad=(bad(TypeError, ones(2, 3), None, None, None, None, True, words=("momentum",)),),
    ),
    replace(
        INSTANCE,
        name="torch.instance_norm",
        reference=swapped(instance_norm),
        samples=top_level(instance_samples, "use_input_stats"),
        forms=("torch",),
        fixed=(3, 4),
        bad=(bad(TypeError, ones(2, 3, 4), None, None, None, None, True, words=("momentum",)),),
    ),
)
