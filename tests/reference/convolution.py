"""Rows: convolutions, transposed convolutions, unfold and fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .nn import Case, normal
from .padding import bordered
from .rows import FLOATS, Array, Draw, Row, Sample, alias, bad, call, ones, table

Some = int | Sequence[int]
INTEGERS: tuple[str, ...] = ("int32", "int64")


def _spread(value: Some, count: int) -> tuple[int, ...]:
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * count if len(numbers) == 1 else numbers


def _window(tap: Sequence[int], count: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """Where, in a padded image, a tap meets the outputs: a slice by dimension."""
    return tuple(
        slice(t * d, t * d + s * (n - 1) + 1, s)
        for t, n, s, d in zip(tap, count, stride, dilation, strict=True)
    )


def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    pads: Sequence[tuple[int, int]],
    stride: Some,
    dilation: Some,
    groups: int,
) -> Array:
    """bias[f] + sum over c and t of weight[f, c, t] * x[c, o * stride + t * dilation - padding], batched."""
    n = weight.ndim - 2
    stride, dilation = _spread(stride, n), _spread(dilation, n)
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    sizes = zip(padded.shape[2:], weight.shape[2:], stride, dilation, strict=True)
    count = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in sizes]
    parts = []
    for part, kernel in zip(np.split(padded, groups, 1), np.split(weight, groups, 0), strict=True):
        result = np.zeros((x.shape[0], kernel.shape[0], *count), dtype=x.dtype)
        for tap in np.ndindex(*weight.shape[2:]):
            seen = part[(..., *_window(tap, count, stride, dilation))]
            result += np.einsum("fc,nc...->nf...", kernel[(..., *tap)], seen)
        parts.append(result)
    result = np.concatenate(parts, axis=1)
    return result if bias is None else result + bias.reshape(-1, *(1,) * n)


def transposed(
    x: Array,
    weight: Array,
    bias: Array | None,
    pads: Some,
    more: Some,
    stride: Some,
    dilation: Some,
    groups: int,
) -> Array:
    """Every input adds its multiple of the kernel to the output; then the padding is cut off."""
    n = weight.ndim - 2
    stride, dilation, pads, more = (_spread(v, n) for v in (stride, dilation, pads, more))
    count = x.shape[2:]
    sizes = zip(count, weight.shape[2:], stride, dilation, more, strict=True)
    whole = [(size - 1) * s + d * (k - 1) + 1 + m for size, k, s, d, m in sizes]
    parts = []
    for part, kernel in zip(np.split(x, groups, 1), np.split(weight, groups, 0), strict=True):
        result = np.zeros((x.shape[0], weight.shape[1], *whole), dtype=x.dtype)
        for tap in np.ndindex(*weight.shape[2:]):
            seen = result[(..., *_window(tap, count, stride, dilation))]
            seen += np.einsum("cf,nc...->nf...", kernel[(..., *tap)], part)
        parts.append(result)
    kept = tuple(slice(p, size - p) for p, size in zip(pads, whole, strict=True))
    result = np.concatenate(parts, axis=1)[(..., *kept)]
    return result if bias is None else result + bias.reshape(-1, *(1,) * n)


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Some = 1,
    padding: Some | str = 0,
    dilation: Some = 1,
    groups: int = 1,
) -> Array:
    """nn.functional.conv1d, conv2d and conv3d."""
    n = weight.ndim - 2
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(_spread(dilation, n), weight.shape[2:], strict=True)]
        pads = [(r // 2, r - r // 2) if padding == "same" else (0, 0) for r in reach]
    else:
        pads = [(p, p) for p in _spread(padding, n)]
    if x.ndim == n + 1:
        return convolution(x[None], weight, bias, pads, stride, dilation, groups)[0]
    return convolution(x, weight, bias, pads, stride, dilation, groups)


def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Some = 1,
    padding: Some = 0,
    output_padding: Some = 0,
    groups: int = 1,
    dilation: Some = 1,
) -> Array:
    """nn.functional.conv_transpose1d, conv_transpose2d and conv_transpose3d."""
    if x.ndim == weight.ndim - 1:
        return transposed(x[None], weight, bias, padding, output_padding, stride, dilation, groups)[0]
    return transposed(x, weight, bias, padding, output_padding, stride, dilation, groups)


def unfold(x: Array, kernel_size: Some, dilation: Some = 1, padding: Some = 0, stride: Some = 1) -> Array:
    """Windows as columns: (batch, channels * taps, windows)."""
    kernel, d, p, s = (_spread(v, 2) for v in (kernel_size, dilation, padding, stride))
    if x.ndim == 3:
        return unfold(x[None], kernel, d, p, s)[0]
    padded = np.pad(x, [(0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])])
    count = [(padded.shape[2 + i] - d[i] * (kernel[i] - 1) - 1) // s[i] + 1 for i in range(2)]
    taps = [padded[(..., *_window(tap, count, s, d))] for tap in np.ndindex(*kernel)]
    return np.stack(taps, axis=2).reshape(x.shape[0], x.shape[1] * len(taps), count[0] * count[1])


def fold(
    x: Array,
    output_size: Some,
    kernel_size: Some,
    dilation: Some = 1,
    padding: Some = 0,
    stride: Some = 1,
) -> Array:
    """The sum of windows into an image."""
    size, kernel, d, p, s = (_spread(v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    if x.ndim == 2:
        return fold(x[None], size, kernel, d, p, s)[0]
    whole = [size[i] + 2 * p[i] for i in range(2)]
    count = [(whole[i] - d[i] * (kernel[i] - 1) - 1) // s[i] + 1 for i in range(2)]
    taps = list(np.ndindex(*kernel))
    columns = x.reshape(x.shape[0], x.shape[1] // len(taps), len(taps), *count)
    image = np.zeros((x.shape[0], columns.shape[1], *whole), dtype=x.dtype)
    for i, tap in enumerate(taps):
        image[(..., *_window(tap, count, s, d))] += columns[:, :, i]
    return image[:, :, p[0] : whole[0] - p[0], p[1] : whole[1] - p[1]]


def _one(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 3, 7), draw(4, 3, 3))
    yield call(draw(2, 3, 7), draw(4, 3, 3), draw(4))
    yield call(draw(3, 7), draw(4, 3, 2), draw(4), 2, 1, 2)
    yield call(draw(2, 4, 20), draw(6, 2, 3), draw(6), stride=2, padding=2, groups=2)
    yield call(draw(2, 4, 9), draw(8, 1, 3), None, padding=(1,), groups=4)
    yield call(draw(0, 3, 7), draw(4, 3, 3), draw(4))
    yield call(draw(1, 2, 5), draw(3, 2, 1), draw(3), stride=3)
    yield call(draw(1, 1, 40), draw(1, 1, 5), padding=2)


def _two(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 3, 6, 7), draw(4, 3, 3, 3))
    yield call(draw(3, 6, 7), draw(4, 3, 3, 2), draw(4), stride=(2, 1), padding=(1, 2))
    yield call(draw(2, 2, 6, 7), draw(3, 2, 2, 3), draw(3), 1, 2, (3, 2))
    yield call(draw(2, 4, 5, 6), draw(6, 2, 3, 3), draw(6), (2, 3), (2, 1), 1, 2)
    yield call(draw(1, 3, 5, 6), draw(6, 1, 3, 3), draw(6), padding=1, groups=3)
    yield call(draw(3, 5, 4, 4), draw(7, 5, 1, 1), draw(7))
    yield call(draw(0, 3, 5, 5), draw(2, 3, 3, 3), draw(2))
    yield call(draw(2, 1, 5, 24), draw(6, 1, 2, 3), draw(6))
    yield call(draw(1, 2, 12, 12), draw(5, 2, 5, 5), stride=3, padding=4)
    yield call(draw(2, 2, 1, 1), draw(3, 2, 3, 3), draw(3), padding=1, stride=4)


def _three(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 2, 3, 4, 5), draw(3, 2, 2, 3, 2), draw(3))
    yield call(draw(2, 3, 4, 5), draw(4, 1, 2, 1, 3), None, (1, 2, 1), (1, 0, 1), (2, 1, 1), 2)
    yield call(draw(1, 2, 3, 3, 9), draw(2, 2, 3, 1, 1), draw(2), padding=(1, 0, 0))
    yield call(draw(0, 2, 3, 3, 3), draw(2, 2, 2, 2, 2))


def _padded(shape: tuple[int, ...], kernel: tuple[int, ...]) -> Any:
    def samples(draw: Draw) -> Iterator[Sample]:
        for name in ("same", "valid"):
            yield call(draw(2, 2, *shape), draw(3, 2, *kernel), draw(3), padding=name)
            yield call(draw(4, *shape), draw(4, 2, *kernel), None, 1, name, 2, 2)
        yield call(draw(1, 2, *shape), draw(3, 2, *kernel), stride=2, padding="valid")

    return samples


def _transposed_one(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 3, 7), draw(3, 4, 3), draw(4))
    yield call(draw(3, 7), draw(3, 2, 3), None, 3, 2, 2)
    yield call(draw(2, 4, 5), draw(4, 3, 4), draw(6), stride=2, padding=1, groups=2, dilation=3)
    yield call(draw(0, 3, 7), draw(3, 4, 3), draw(4))
    yield call(draw(1, 2, 5), draw(2, 1, 1), stride=4, output_padding=3)
    yield call(draw(1, 2, 2), draw(2, 1, 3), draw(1), padding=2)


def _transposed_two(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 3, 4, 5), draw(3, 4, 3, 3), draw(4))
    yield call(draw(2, 3, 4, 5), draw(3, 4, 3, 3), draw(4), 2, 1, 1)
    yield call(draw(4, 4, 5), draw(4, 3, 2, 3), None, (2, 3), (0, 1), (1, 2), 2, (1, 2))
    yield call(draw(2, 3, 3, 12), draw(3, 1, 2, 2), draw(3), stride=2, groups=3)
    yield call(draw(0, 3, 4, 5), draw(3, 4, 3, 3), draw(4))


def _transposed_three(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 2, 3, 2, 4), draw(2, 3, 2, 3, 2), draw(3), stride=(1, 2, 3), output_padding=(0, 1, 0))
    yield call(draw(2, 2, 3, 4), draw(2, 3, 1, 2, 3), padding=(0, 1, 1))


def _unfold(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 3, 5, 6), 3)
    yield call(draw(3, 5, 6), (2, 3), (1, 2), (1, 0), 2)
    yield call(draw(2, 2, 5, 6), kernel_size=(3, 1), padding=(3, 1), stride=(2, 3), dilation=2)
    yield call(draw(0, 2, 5, 6), 2)


def _fold(draw: Draw) -> Iterator[Sample]:
    yield call(draw(2, 27, 12), (5, 6), 3)
    yield call(draw(18, 6), (5, 6), (2, 3), (1, 2), (1, 0), (2, 1))
    yield call(draw(2, 8, 9), output_size=6, kernel_size=2, stride=2)
    yield call(draw(0, 8, 9), 6, 2, 1, 0, 2)


def _bad_sizes(n: int) -> tuple[Any, ...]:
    x, w = (2, 4, *(5,) * n), (6, 4, *(3,) * n)
    return (
        bad(RuntimeError, ones(*x), ones(6, 3, *(3,) * n), words=("channels", "groups=1")),
        bad(RuntimeError, ones(*x), ones(*w), ones(5), words=("bias", "(6,)")),
        bad(RuntimeError, ones(*x), ones(*w[1:]), words=("weight",)),
        bad(RuntimeError, ones(*x[2:]), ones(*w), words=("unbatched",)),
        bad(RuntimeError, ones(*x), ones(*w), stride=0, words=("stride",)),
        bad(RuntimeError, ones(*x), ones(*w), padding=-1, words=("padding",)),
        bad(RuntimeError, ones(*x), ones(*w), dilation=0, words=("dilation",)),
        bad(RuntimeError, ones(*x), ones(*w), groups=0, words=("groups",)),
        bad(RuntimeError, ones(*x), ones(*w), groups=5, words=("groups=5",)),
        bad(RuntimeError, ones(*x), ones(*w), stride=(1,) * (n + 2), words=("stride",)),
        bad(RuntimeError, ones(*x), ones(*w, dtype="float64"), words=("float32", "float64")),
        bad(RuntimeError, ones(*x[:-1], 0), ones(*w), padding=1, words=("empty",)),
    )


def _conv_row(n: int, samples: Any) -> Row:
    x, w = ones(2, 4, *(5,) * n), ones(6, 4, *(3,) * n)
    return Row(
        name=f"conv{n}d",
        reference=conv,
        samples=samples,
        dtypes=(*FLOATS, *INTEGERS),
        forms=("torch", "nn.functional"),
        scale="absolute",
        bad=(
            *_bad_sizes(n),
            bad(RuntimeError, x, w, dilation=3, words=("kernel", "larger")),
            bad(RuntimeError, x, w, padding="full", words=("padding", "full")),
            bad(RuntimeError, x, w, padding="same", stride=2, words=("same", "stride")),
        ),
    )


def _transposed_row(n: int, samples: Any) -> Row:
    x, w = ones(2, 6, *(5,) * n), ones(6, 4, *(3,) * n)
    return Row(
        name=f"conv_transpose{n}d",
        reference=conv_transpose,
        samples=samples,
        dtypes=(*FLOATS, *INTEGERS),
        forms=("torch", "nn.functional"),
        scale="absolute",
        bad=(
            bad(RuntimeError, x, ones(5, 4, *(3,) * n), words=("channels",)),
            bad(RuntimeError, x, w, ones(6), words=("bias", "(4,)")),
            bad(RuntimeError, x, w, output_padding=1, words=("output_padding",)),
            bad(RuntimeError, x, w, output_padding=-1, stride=2, words=("output_padding",)),
            bad(RuntimeError, x, w, padding=9, words=("size",)),
            bad(RuntimeError, x, w, groups=4, words=("groups=4",)),
        ),
    )


_CONV = {n: _conv_row(n, samples) for n, samples in ((1, _one), (2, _two), (3, _three))}
_KERNELS = {1: ((7,), (4,)), 2: ((6, 9), (3, 2)), 3: ((4, 3, 5), (2, 2, 3))}

ROWS = table(
    *_CONV.values(),
    *(alias(f"conv{n}d.padded", row, samples=_padded(*_KERNELS[n]), bad=()) for n, row in _CONV.items()),
    *(
        _transposed_row(n, samples)
        for n, samples in ((1, _transposed_one), (2, _transposed_two), (3, _transposed_three))
    ),
    Row(
        name="unfold",
        reference=unfold,
        samples=_unfold,
        dtypes=(*FLOATS, "int64", "bool"),
        forms=("nn.functional",),
        bad=(
            bad(RuntimeError, ones(1, 2, 3, 3), 4, words=("kernel_size",)),
            bad(RuntimeError, ones(1, 2, 3, 3), 0, words=("kernel_size",)),
            bad(RuntimeError, ones(1, 2, 3, 3), (2, 2, 2), words=("kernel_size",)),
            bad(RuntimeError, ones(1, 2, 3, 3), 2, stride=0, words=("stride",)),
            bad(RuntimeError, ones(3, 3), 2, words=("unbatched",)),
            bad(RuntimeError, ones(1, 0, 3, 3), 2, words=("empty",)),
        ),
    ),
    Row(
        name="fold",
        reference=fold,
        samples=_fold,
        forms=("nn.functional",),
        bad=(
            bad(RuntimeError, ones(2, 35, 12), (5, 6), 3, words=("multiple",)),
            bad(RuntimeError, ones(2, 36, 11), (5, 6), 3, words=("windows",)),
            bad(RuntimeError, ones(12), (5, 6), 3, words=("unbatched",)),
            bad(NotImplementedError, ones(2, 36, 12, dtype="int64"), (5, 6), 3, words=("int64",)),
        ),
    ),
)


def _with_border(mode: str, pads: tuple[int, ...], stride: Some = 1) -> Any:
    def formula(x: Array, weight: Array, bias: Array) -> Array:
        return conv(bordered(x, pads, mode), weight, bias, stride)

    return formula


def _cases() -> list[Case]:
    found = []
    for n in (1, 2, 3):
        size = (7, 6, 5)[:n]
        plain = {"in_channels": 2, "out_channels": 4, "kernel_size": 3}
        found += [
            Case(f"Conv{n}d", conv, normal((2, 2, *size)), plain),
            Case(
                f"Conv{n}d",
                lambda x, w: conv(x, w, None, 2, 1, 2, 2),
                normal((2, *size)),
                {**plain, "stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False},
            ),
            Case(
                f"Conv{n}d",
                lambda x, w, b: conv(x, w, b, padding="same"),
                normal((1, 2, *size)),
                {**plain, "kernel_size": (2, 3, 4)[:n], "padding": "same"},
            ),
            Case(
                f"ConvTranspose{n}d",
                lambda x, w, b: conv_transpose(x, w, b, 2, 1, 1, 2, 2),
                normal((2, 2, *size)),
                {
                    **plain,
                    "stride": 2,
                    "padding": 1,
                    "output_padding": 1,
                    "groups": 2,
                    "dilation": 2,
                },
            ),
        ]
        for mode in ("reflect", "replicate", "circular"):
            options = {**plain, "padding": (2, 1, 1)[:n], "stride": 2, "padding_mode": mode}
            pads = {1: (2, 2), 2: (1, 1, 2, 2), 3: (1, 1, 1, 1, 2, 2)}[n]
            found += [Case(f"Conv{n}d", _with_border(mode, pads, 2), normal((1, 2, *size)), options)]
    unfolding = {"kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "stride": 2}
    found += [
        Case("Unfold", lambda x: unfold(x, (2, 3), (2, 1), 1, 2), normal((2, 3, 5, 6)), unfolding),
        Case(
            "Fold",
            lambda x: fold(x, (5, 6), (2, 3), (2, 1), 1, 2),
            normal((2, 12, 9)),
            {"output_size": (5, 6), **unfolding},
        ),
    ]
    return found


CASES = _cases()
