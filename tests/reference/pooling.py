"""Rows: pooling. Every window is visited in a loop; windows are lists of positions by dimension."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .nn import Case
from .rows import FLOATS, Array, Draw, Row, Sample, bad, call, ones, table

Ints = int | Sequence[int]
Windows = list[list[Array]]  # by dimension, by output: the positions that a window sees (-1: padding)


def _each(value: Ints, n: int) -> list[int]:
    return [value] * n if isinstance(value, int) else list(value) * (n // len(value))


def sliding(
    sizes: Sequence[int], kernel: Ints, stride: Ints | None, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Windows:
    """Windows with a constant step; positions in the padding are -1, beyond it they are left out."""
    n = len(sizes)
    kernels, dilations, pads = _each(kernel, n), _each(dilation, n), _each(padding, n)
    strides = kernels if stride is None else _each(stride, n)
    found = []
    for size, k, s, p, d in zip(sizes, kernels, strides, pads, dilations, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= size + p:
            count -= 1
        windows = []
        for o in range(count):
            at = o * s - p + d * np.arange(k)
            at = at[at < size + p]
            windows.append(np.where((at < 0) | (at >= size), -1, at))
        found.append(windows)
    return found


def parts(sizes: Sequence[int], wanted: Any) -> Windows:
    """Windows from floor(o n / m) to ceil((o + 1) n / m)."""
    asked = [wanted] * len(sizes) if isinstance(wanted, int) else list(wanted)
    found = []
    for n, size in zip(sizes, asked, strict=True):
        m = n if size is None else size
        found.append([np.arange(o * n // m, -((o + 1) * n // -m)) for o in range(m)])
    return found


def pool(x: Array, windows: Windows, reduce: Callable[[Array, Array], Any]) -> Array:
    """reduce(values, flat positions) of every window: values of shape (..., elements), padding left out."""
    n = len(windows)
    batch, sizes = x.shape[:-n], x.shape[-n:]
    flat = x.reshape(*batch, int(np.prod(sizes)))
    shape = [len(w) for w in windows]
    results = []
    for window in itertools.product(*windows):
        inside = [w[w >= 0] for w in window]
        places = np.ravel_multi_index(np.ix_(*inside), sizes).reshape(-1)
        results.append(reduce(flat[..., places], places))
    if not results:
        return np.zeros((*batch, *shape), x.dtype)
    return np.stack(results, -1).reshape(*batch, *shape)


def _first_max(values: Array, places: Array) -> Array:
    return np.asarray(places[np.argmax(values, axis=-1)])


def maxima(x: Array, windows: Windows) -> tuple[Array, Array]:
    """Maxima and their positions."""
    index = pool(x, windows, _first_max).astype(np.int64)
    n = len(windows)
    flat, at = (a.reshape(*a.shape[:-n], int(np.prod(a.shape[-n:]))) for a in (x, index))
    return np.take_along_axis(flat, at, -1).reshape(index.shape), index


def max_pool(n: int) -> Callable[..., Array]:
    """max_pool1d, 2d or 3d."""
    return lambda x, *args, **kwargs: max_pool_indices(n)(x, *args, **kwargs)[0]


def max_pool_indices(n: int) -> Callable[..., tuple[Array, Array]]:
    """The same with positions."""

    def function(
        x: Array, kernel: Ints, stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> tuple[Array, Array]:  # fmt: skip
        return maxima(x, sliding(x.shape[-n:], kernel, stride, padding, dilation, ceil_mode))

    return function


def avg_pool(n: int) -> Callable[..., Array]:
    """avg_pool1d, 2d or 3d."""

    def function(
        x: Array, kernel: Ints, stride: Ints | None = None, padding: Ints = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        windows = sliding(x.shape[-n:], kernel, stride, padding, 1, ceil_mode)
        sums = pool(x, windows, lambda v, _: v.sum(axis=-1))
        if divisor_override is not None:
            return sums / divisor_override
        counts = [[len(w) if count_include_pad else int((w >= 0).sum()) for w in d] for d in windows]
        return sums / np.prod(np.meshgrid(*counts, indexing="ij"), axis=0)

    return function


def adaptive_avg_pool(n: int) -> Callable[..., Array]:
    """adaptive_avg_pool1d, 2d or 3d."""
    return lambda x, size: pool(x, parts(x.shape[-n:], size), lambda v, _: v.mean(axis=-1))


def adaptive_max_pool(n: int) -> Callable[..., tuple[Array, Array]]:
    """adaptive_max_pool1d, 2d or 3d, with positions."""
    return lambda x, size: maxima(x, parts(x.shape[-n:], size))


def lp_pool(n: int) -> Callable[..., Array]:
    """lp_pool1d, 2d or 3d."""

    def function(
        x: Array, p: float, kernel: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> Array:
        count = np.prod(_each(kernel, n))
        means = avg_pool(n)(x**p, kernel, stride, 0, ceil_mode)
        return (np.maximum(means, 0) * count) ** (1 / p)

    return function


def max_unpool(n: int) -> Callable[..., Array]:
    """max_unpool1d, 2d or 3d."""

    def function(x: Array, index: Array, kernel: int, stride: int | None = None, padding: int = 0) -> Array:
        step = kernel if stride is None else stride
        sizes = [(size - 1) * step + kernel - 2 * padding for size in x.shape[-n:]]
        batch = x.shape[:-n]
        out = np.zeros((*batch, int(np.prod(sizes))), x.dtype)
        np.put_along_axis(
            out,
            index.reshape(*batch, int(np.prod(index.shape[len(batch) :]))),
            x.reshape(*batch, int(np.prod(x.shape[len(batch) :]))),
            -1,
        )
        return out.reshape(*batch, *sizes)

    return function


def fractional_max_pool(n: int) -> Callable[..., Array]:
    """Windows of plane (i, j) begin at floor(alpha (o + u)) - floor(alpha u), the last at the end."""

    def starts(size: int, kernel: int, count: int, u: float) -> Array:
        alpha = (size - kernel) / (count - 1) if count > 1 else 0.0
        at = [int((o + u) * alpha) - int(u * alpha) for o in range(count - 1)]
        return np.array([*at, size - kernel])

    def function(x: Array, kernel: int, output_size: Ints, *, _random_samples: Array) -> Array:
        wanted = _each(output_size, n)
        out = np.empty((*x.shape[:2], *wanted), x.dtype)
        for i, j in np.ndindex(*x.shape[:2]):
            u = _random_samples[i, j][::-1] if n == 2 else _random_samples[i, j]
            windows = [
                [np.arange(b, b + kernel) for b in starts(size, kernel, count, float(each))]
                for size, count, each in zip(x.shape[2:], wanted, u, strict=True)
            ]
            out[i, j] = maxima(x[i, j], windows)[0]
        return out

    return function


SHAPES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((2, 3, 9), (2, 8)),
    2: ((2, 2, 5, 7), (1, 6, 6)),
    3: ((1, 2, 4, 5, 4), (2, 4, 4, 4)),
}
LARGE: dict[int, tuple[int, ...]] = {1: (2, 1, 45), 2: (1, 2, 9, 41), 3: (1, 1, 4, 5, 21)}
WINDOWS: tuple[dict[str, Any], ...] = (
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True, "padding": 1},
)


def _positional(options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    rest = {key: value for key, value in options.items() if key != "kernel_size"}
    return (options["kernel_size"],), rest


def _windowed(n: int, extra: tuple[dict[str, Any], ...]) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for i, options in enumerate((*WINDOWS, *extra)):
            args, rest = _positional(options)
            yield call(draw.distinct(*SHAPES[n][i % 2]), *args, **rest)
            yield call(draw.distinct(*LARGE[n]), *args, smooth=False, **rest)
        yield call(draw.distinct(0, *SHAPES[n][0][1:]), (2,) * n, stride=(1,) * n)

    return samples


DILATED: tuple[dict[str, Any], ...] = (
    {"kernel_size": 2, "stride": 1, "dilation": 2},
    {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 2, "dilation": 3},
)
COUNTED: tuple[dict[str, Any], ...] = (
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": 2, "stride": 1, "padding": 1, "count_include_pad": False, "ceil_mode": True},
)
DIVIDED: tuple[dict[str, Any], ...] = (
    {"kernel_size": 2, "divisor_override": 3},
    {"kernel_size": 3, "stride": 1, "divisor_override": 1},
)


def _part_samples(n: int) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for size in (1, 2, 3, (3, 2, 4)[:n], 5):
            for shape in SHAPES[n]:
                yield call(draw.distinct(*shape), size)
        yield call(draw.distinct(*LARGE[n]), 4, smooth=False)
        yield call(draw.distinct(*LARGE[n]), 1, smooth=False)
        yield call(draw.distinct(0, *SHAPES[n][0][1:]), 2)
        if n > 1:
            yield call(draw.distinct(*SHAPES[n][0]), (None, 2, 1)[:n])

    return samples


def _power_samples(n: int) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for p, options in ((2.0, (2,)), (1.0, (3, 1)), (3.0, (2, 3, True))):
            yield call(draw(*SHAPES[n][0], low=0.5, high=2.0), p, *options)
            yield call(draw(*SHAPES[n][1], low=0.5, high=2.0), p, *options)

    return samples


def _unpool_samples(n: int) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for shape in ((2, 2, *(4, 6, 2)[:n]), (2, *(2, 4, 4)[:n])):
            yield call(*max_pool_indices(n)(draw.distinct(*shape), 2), 2)
        yield call(*max_pool_indices(n)(draw.distinct(1, 1, *(5, 5, 5)[:n]), 1, 2), 1, 2)

    return samples


def _fractional_samples(n: int) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for size, kernel in ((2, 2), (3, 2), (1, 3)):
            u = draw(1, 1, n, low=0.0, high=0.99)
            yield call(draw.distinct(1, 1, *(6, 5, 5)[:n]), kernel, size, _random_samples=u)

    return samples


POSITIONS = ("same", "int64")


def _rows(n: int) -> list[Row]:
    image, name = ones(1, *SHAPES[n][0][1:]), f"{n}d"
    function: dict[str, Any] = {"forms": ("nn.functional",)}
    both: dict[str, Any] = {"forms": ("nn.functional", "torch")}
    wrong = (
        bad(RuntimeError, ones(*(2,) * (n + 3)), 2, words=("input",)),
        bad(RuntimeError, image, 0, words=("kernel_size",)),
        bad(RuntimeError, image, 2, 0, words=("stride",)),
        bad(RuntimeError, image, 2, padding=-1, words=("padding",)),
        bad(RuntimeError, image, 2, padding=2, words=("padding", "half")),
        bad(RuntimeError, image, 30, words=("window",)),
        bad(RuntimeError, image, (2,) * (n + 1), words=("kernel_size",)),
    )
    return [
        Row(
            name="max_pool" + name,
            reference=max_pool(n),
            samples=_windowed(n, DILATED),
            dtypes=("int64", "uint8", *FLOATS) if n == 2 else FLOATS,
            ties=False,
            bad=(*wrong, bad(RuntimeError, image, 2, dilation=0, words=("dilation",))),
            **both,
        ),
        Row(
            name=f"max_pool{name}_with_indices",
            reference=max_pool_indices(n),
            samples=_windowed(n, DILATED),
            result=POSITIONS,
            ties=False,
            **(both if n == 1 else function),
        ),
        Row(
            name="avg_pool" + name,
            reference=avg_pool(n),
            samples=_windowed(n, COUNTED if n == 1 else (*COUNTED, *DIVIDED)),
            bad=wrong,
            scale="absolute",
            **(both if n == 1 else function),
        ),
        Row(
            name="adaptive_avg_pool" + name,
            reference=adaptive_avg_pool(n),
            samples=_part_samples(n),
            scale="largest",
            bad=(
                bad(RuntimeError, ones(*(2,) * (n + 3)), 2, words=("input",)),
                bad(RuntimeError, image, -2, words=("output_size",)),
                bad(RuntimeError, image, (2,) * (n + 1), words=("output_size",)),
                bad(NotImplementedError, ones(1, *SHAPES[n][0][1:], dtype="int64"), 2, words=("int64",)),
            ),
            **(both if n == 1 else function),
        ),
        Row(
            name=f"adaptive_max_pool{name}_with_indices",
            reference=adaptive_max_pool(n),
            samples=_part_samples(n) if n == 1 else _whole_parts(n),
            result=POSITIONS,
            ties=False,
            bad=(bad(RuntimeError, image, -2, words=("output_size",)),),
            **function,
        ),
        Row(
            name=f"adaptive_max_pool{name}",
            reference=lambda x, size: adaptive_max_pool(n)(x, size)[0],
            samples=_part_samples(n),
            ties=False,
            like=f"adaptive_max_pool{name}_with_indices",
            **function,
        ),
        Row(
            name="lp_pool" + name,
            reference=lp_pool(n),
            samples=_power_samples(n),
            rtol={"float32": 6e-6, "float64": 2e-13},
            why="two powers, each with its own rounding",
            **function,
        ),
        Row(
            name="max_unpool" + name,
            reference=max_unpool(n),
            samples=_unpool_samples(n),
            like="max_unpool",
            ties=False,
            bad=(
                bad(RuntimeError, image, ones(1, *SHAPES[n][0][1:]), 2, words=("int64",)),
                bad(RuntimeError, image, ones(1, *(2,) * n, dtype="int64"), 2, words=("shape",)),
                bad(
                    RuntimeError,
                    image,
                    10**6 * ones(1, *SHAPES[n][0][1:], dtype="int64"),
                    2,
                    words=("index",),
                ),
                bad(
                    ValueError,
                    image,
                    ones(1, *SHAPES[n][0][1:], dtype="int64"),
                    2,
                    None,
                    0,
                    (1,) * n,
                    words=("output_size",),
                ),
            ),
            **function,
        ),
    ]


def _whole_parts(n: int) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for sample in _part_samples(n)(draw):
            if not isinstance(sample.args[1], tuple) or None not in sample.args[1]:
                yield sample

    return samples


def _fractional_row(n: int) -> Row:
    return Row(
        name=f"fractional_max_pool{n}d",
        reference=fractional_max_pool(n),
        samples=_fractional_samples(n),
        forms=("nn.functional",),
        ties=False,
        bad=(
            bad(ValueError, ones(1, 1, *(4,) * n), 2, words=("output_size",)),
            bad(RuntimeError, ones(1, 1, *(4,) * n), 2, 4, words=("output_size",)),
        ),
    )


ROWS = table(*_rows(1), *_rows(2), *_rows(3), _fractional_row(2), _fractional_row(3))


def _ramp(shape: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Array, ...]]:
    """Distinct positive values in random order."""
    count = int(np.prod(shape))
    return lambda random: (0.2 + random.permutation(count).reshape(shape) * 0.0371,)


def _unpoolable(n: int) -> Callable[[np.random.Generator], tuple[Array, ...]]:
    def draw(random: np.random.Generator) -> tuple[Array, ...]:
        (x,) = _ramp((2, 2, *(4,) * n))(random)
        return max_pool_indices(n)(x, 2)

    return draw


def _cases() -> list[Case]:
    """The layers; a constructor's arguments reach the function."""
    cases: list[Case] = []
    for n in (1, 2, 3):
        x = _ramp((1, 2, *(5, 6, 4)[:n]))
        window = {"kernel_size": 3, "stride": 2, "padding": 1}
        cases += [
            Case(f"MaxPool{n}d", max_pool_of(n, {"kernel_size": 2}), x, {"kernel_size": 2}),
            Case(
                f"MaxPool{n}d",
                max_pool_of(n, {**window, "ceil_mode": True}),
                x,
                {**window, "ceil_mode": True},
            ),
            Case(
                f"AvgPool{n}d",
                lambda v, n=n: avg_pool(n)(v, 3, 2, 1, True, False),
                x,
                {**window, "ceil_mode": True, "count_include_pad": False},
            ),
            Case(f"AdaptiveAvgPool{n}d", lambda v, n=n: adaptive_avg_pool(n)(v, 2), x, {"output_size": 2}),
            Case(f"AdaptiveMaxPool{n}d", lambda v, n=n: adaptive_max_pool(n)(v, 3)[0], x, {"output_size": 3}),
            Case(f"LPPool{n}d", lambda v, n=n: lp_pool(n)(v, 2.0, 2), x, {"norm_type": 2, "kernel_size": 2}),
            Case(
                f"MaxUnpool{n}d", lambda v, i, n=n: max_unpool(n)(v, i, 2), _unpoolable(n), {"kernel_size": 2}
            ),
        ]
    return cases


def max_pool_of(n: int, options: dict[str, Any]) -> Callable[..., Array]:
    """max_pool with these options."""
    args, rest = _positional(options)
    return lambda v: max_pool(n)(v, *args, **rest)


CASES = _cases()
