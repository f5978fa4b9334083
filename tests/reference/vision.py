"""Rows: resizing, sampling at grid points, and shuffles. One weight function per tap, summed in loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .nn import Case, normal
from .rows import ALL, EXACT, FLOATS, Array, Draw, Row, Sample, bad, call, ones, table


def keys_cubic(x: Array, a: float) -> Array:
    """Keys 1981, equation 4, for any a."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def triangle(x: Array) -> Array:
    """1 - |x|, not below 0."""
    return np.maximum(1 - np.abs(x), 0.0)


def _ratio(n: int, m: int, scale: float | None, corners: bool) -> float:
    if corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1 / scale if scale else n / m


def weights(n: int, m: int, mode: str, corners: bool, scale: float | None, smooth: bool) -> Array:
    """The matrix (m, n) that resizes one dimension."""
    matrix = np.zeros((m, n))
    ratio = _ratio(n, m, scale, corners)
    cubic = mode == "bicubic"
    for o in range(m):
        if mode.startswith("nearest"):
            matrix[o, min(int((o + 0.5 * (mode == "nearest-exact")) * ratio), n - 1)] = 1
        elif smooth:
            stretch = max(1.0, ratio)
            x = (np.arange(n) + 0.5 - ratio * (o + 0.5)) / stretch
            w = keys_cubic(x, -0.5) if cubic else triangle(x)
            matrix[o] = w / w.sum()
        else:
            at = ratio * o if corners else ratio * (o + 0.5) - 0.5
            if not cubic:
                at = max(at, 0.0)
            first = int(np.floor(at))
            for tap in range(first - 1, first + 3):
                w = keys_cubic(np.array(at - tap), -0.75) if cubic else triangle(np.array(at - tap))
                matrix[o, min(max(tap, 0), n - 1)] += w
    return matrix


def interpolate(
    x: Array, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Array:  # fmt: skip
    """One dimension after another."""
    ndim = x.ndim - 2
    if mode == "area":
        from .pooling import adaptive_avg_pool

        return adaptive_avg_pool(ndim)(x, size)
    scales = [scale_factor] * ndim if not isinstance(scale_factor, tuple) else list(scale_factor)
    sizes = [size] * ndim if isinstance(size, int) else size
    if sizes is None:
        sizes = [int(np.floor(n * s)) for n, s in zip(x.shape[2:], scales, strict=True)]
    for d, (m, scale) in enumerate(zip(sizes, scales, strict=True)):
        used = None if recompute_scale_factor else scale
        matrix = weights(x.shape[2 + d], m, mode, bool(align_corners), used, antialias)
        x = np.moveaxis(np.moveaxis(x, 2 + d, -1) @ matrix.T, -1, 2 + d)
    return np.ascontiguousarray(x)


def _reflect(x: Array, low: float, high: float) -> Array:
    if high <= low:
        return np.zeros_like(x)
    turns, rest = np.divmod(np.abs(x - low), high - low)
    return np.where(turns % 2 == 0, rest + low, high - rest)


def _bordered(x: Array, n: int, padding: str, corners: bool) -> Array:
    if padding == "reflection":
        x = _reflect(x, 0.0, n - 1.0) if corners else _reflect(x, -0.5, n - 0.5)
    return x if padding == "zeros" else np.clip(x, 0, n - 1)


def _line(u: Array, n: int, mode: str, padding: str, corners: bool) -> list[tuple[Array, Array]]:
    """(positions, weights) of every tap of a coordinate."""
    x = (u + 1) / 2 * (n - 1) if corners else ((u + 1) * n - 1) / 2
    if mode == "bicubic":
        first = np.floor(x)
        return [
            (_bordered(first + k, n, padding, corners), keys_cubic(x - first - k, -0.75))
            for k in (-1, 0, 1, 2)
        ]
    x = _bordered(x, n, padding, corners)
    if mode == "nearest":
        return [(np.rint(x), np.ones_like(x))]
    first = np.floor(x)
    return [(first + k, triangle(x - first - k)) for k in (0, 1)]


def grid_sample(
    x: Array, grid: Array, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Array:
    """Σ over taps of weight times element, outside of the planes 0."""
    sizes = x.shape[2:]
    lines = [
        _line(grid[..., len(sizes) - 1 - d], n, mode, padding_mode, align_corners)
        for d, n in enumerate(sizes)
    ]
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * (grid.ndim - 2))
    for taps in itertools.product(*lines):
        weight = np.ones(grid.shape[:-1])
        places = []
        for (at, w), n in zip(taps, sizes, strict=True):
            weight = weight * w * ((at >= 0) & (at < n))
            places.append(np.clip(at, 0, n - 1).astype(np.int64))
        out += np.moveaxis(x[(batch, slice(None), *places)], -1, 1) * weight[:, None]
    return out


def _beyond(x: Array, n: int, padding: str) -> Array:
    if padding == "reflection":
        x = _reflect(x, -0.5, n - 0.5)
    return x if padding == "constant" else np.clip(x, 0, n - 1)


def warp_image(
    x: Array, matrix: Array, displacement: Array | None = None, size: tuple[int, int] | None = None,
    mode: str = "bilinear", padding_mode: str = "constant", fill: float = 0.0,
) -> Array:  # fmt: skip
    """Σ over the four pixels around each position of weight times pixel; fill where there is none."""
    n, _, *sizes = x.shape
    h, w = size or sizes
    pixels = np.stack([*np.meshgrid(np.arange(w), np.arange(h)), np.ones((h, w))])
    places = np.einsum("nij,jyx->niyx", matrix.astype(np.float64), pixels)
    if displacement is not None:
        places = places + displacement
    down, across = (_beyond(places[:, d], sizes[1 - d], padding_mode) for d in (1, 0))
    batch = np.arange(n).reshape(-1, 1, 1)

    def pixel(r: Array, c: Array) -> Array:
        inside = (r >= 0) & (r < sizes[0]) & (c >= 0) & (c < sizes[1])
        at = [np.clip(i, 0, m - 1).astype(np.int64) for i, m in zip((r, c), sizes, strict=True)]
        return np.where(inside[:, None], np.moveaxis(x[batch, :, at[0], at[1]], -1, 1), fill)

    if mode == "nearest":
        return pixel(np.rint(down), np.rint(across)).astype(x.dtype)
    top, left = np.floor(down), np.floor(across)
    weights = (
        {0: triangle(down - top), 1: triangle(top + 1 - down)},
        {
            0: triangle(across - left),
            1: triangle(left + 1 - across),
        },
    )
    out = sum(
        (weights[0][i] * weights[1][j])[:, None] * pixel(top + i, left + j) for i in (0, 1) for j in (0, 1)
    )
    return np.rint(out) if x.dtype == np.uint8 else np.asarray(out)


def affine_grid(theta: Array, size: tuple[int, ...], align_corners: bool = False) -> Array:
    """theta applied to the centers of the elements."""
    lines = [
        np.linspace(-1, 1, n) * (1 if align_corners else (n - 1) / n) if n > 1 else np.zeros(1)
        for n in size[2:]
    ]
    axes = np.meshgrid(*lines, indexing="ij")[::-1]
    base = np.stack([*axes, np.ones_like(axes[0])], -1)
    return np.einsum("nij,...j->n...i", theta, base)


def pixel_shuffle(x: Array, r: int) -> Array:
    """(C r r, H, W) to (C, H r, W r)."""
    *batch, c, h, w = x.shape
    y = x.reshape(*batch, c // r**2, r, r, h, w)
    y = np.moveaxis(y, (-4, -3), (-3, -1))
    return y.reshape(*batch, c // r**2, h * r, w * r)


def pixel_unshuffle(x: Array, r: int) -> Array:
    """(C, H r, W r) to (C r r, H, W)."""
    *batch, c, h, w = x.shape
    y = x.reshape(*batch, c, h // r, r, w // r, r)
    y = np.moveaxis(y, (-3, -1), (-4, -3))
    return y.reshape(*batch, c * r**2, h // r, w // r)


def channel_shuffle(x: Array, groups: int) -> Array:
    """(N, g k, ...) to (N, k g, ...)."""
    n, c, *rest = x.shape
    return np.swapaxes(x.reshape(n, groups, c // groups, *rest), 1, 2).reshape(x.shape)


IMAGES = {3: (1, 2, 7), 4: (2, 2, 5, 4), 5: (1, 2, 3, 4, 3)}


def _nearest_samples(draw: Draw) -> Iterator[Sample]:
    for shape in IMAGES.values():
        for mode in ("nearest", "nearest-exact"):
            yield call(draw(*shape), 6, mode=mode)
            yield call(draw(*shape), 2, mode=mode)
            yield call(draw(*shape), scale_factor=2.0, mode=mode)
            yield call(draw(*shape), scale_factor=1.7, mode=mode, recompute_scale_factor=True)
    yield call(draw(2, 1, 9, 33), (18, 66))
    yield call(draw(0, 2, 3, 3), 4)


def _linear_samples(draw: Draw) -> Iterator[Sample]:
    for mode, rank in (("linear", 3), ("bilinear", 4), ("bicubic", 4), ("trilinear", 5)):
        shape = IMAGES[rank]
        for corners in (False, True):
            yield call(draw(*shape), 6, mode=mode, align_corners=corners)
            yield call(draw(*shape), 2, mode=mode, align_corners=corners)
            yield call(draw(*shape), 1, mode=mode, align_corners=corners)
        yield call(draw(*shape), scale_factor=2.3, mode=mode)
        yield call(draw(*shape), None, 1.6, mode, recompute_scale_factor=True)
        yield call(draw(*shape), 3, mode="area")
    for mode in ("bilinear", "bicubic"):
        yield call(draw(1, 1, 9, 11), (4, 3), mode=mode, antialias=True)
        yield call(draw(1, 1, 4, 5), (7, 5), mode=mode, antialias=True)
        yield call(draw(2, 1, 9, 33), (5, 66), mode=mode)
        yield call(draw(0, 2, 3, 3), 4, mode=mode)


def _grid_samples(draw: Draw) -> Iterator[Sample]:
    for mode, padding, corners in itertools.product(
        ("bilinear", "bicubic", "nearest"), ("zeros", "border", "reflection"), (False, True)
    ):
        yield from _grids(draw, mode, padding, corners)


def _grids(draw: Draw, mode: str, padding: str, corners: bool) -> Iterator[Sample]:
    for sizes, points in (((4, 5), (3, 3)), ((2, 3, 4), (2, 1, 2))):
        if mode == "bicubic" and len(sizes) == 3:
            continue
        grid = _between(draw, sizes, points, corners)
        yield call(draw(2, 2, *sizes), grid, mode, padding, corners)


def _between(draw: Draw, sizes: tuple[int, ...], points: tuple[int, ...], corners: bool) -> Array:
    """Points with coordinates that keep away from the centers of elements and the middles between them."""
    columns = []
    for n in sizes[::-1]:
        cell = draw.classes(2, *points, count=n + 3) - 2
        share = draw.rng.choice([0.2, 0.3, 0.7, 0.8], (2, *points)) + draw.rng.uniform(
            -0.05, 0.05, (2, *points)
        )
        x = cell + share
        columns.append(2 * x / max(n - 1, 1) - 1 if corners else (2 * x + 1) / n - 1)
    return np.asarray(np.stack(columns, -1), dtype=draw.dtype)


def _warp_samples(draw: Draw) -> Iterator[Sample]:
    for padding, size in itertools.product(("constant", "border", "reflection"), (None, (3, 7))):
        for shape in ((2, 1, 5, 4), (2, 3, 9, 17)):
            yield call(*_warp_arguments(draw, shape, size), size, "bilinear", padding, 2.0)
    images, matrix, _ = _warp_arguments(draw, (3, 2, 6, 5), (4, 4))
    yield call(images, matrix, size=(4, 4), smooth=False)
    yield call(draw(0, 2, 3, 3), matrix[:0])


def _nearest_warp_samples(draw: Draw) -> Iterator[Sample]:
    for padding in ("constant", "border", "reflection"):
        images, matrix, field = _warp_arguments(draw, (2, 1, 4, 3), (3, 5))
        yield call(images, matrix, field, (3, 5), "nearest", padding, 1)


def _warp_arguments(
    draw: Draw, shape: tuple[int, ...], size: tuple[int, int] | None
) -> tuple[Array, Array, Array]:
    """Images, maps near the identity, displacements that keep positions off the pixels and their middles."""
    h, w = size or (shape[2], shape[3])
    dtype = "float64" if draw.dtype == "float64" else "float32"
    matrix = np.zeros((shape[0], 2, 3))
    matrix[:] = [[1.1, 0.2, -1.3], [-0.3, 0.9, 0.7]]
    matrix += draw.rng.uniform(-0.1, 0.1, matrix.shape)
    pixels = np.stack([*np.meshgrid(np.arange(w), np.arange(h)), np.ones((h, w))])
    places = np.einsum("nij,jyx->niyx", matrix, pixels)
    share = draw.rng.choice([0.2, 0.3, 0.7, 0.8], places.shape) + draw.rng.uniform(-0.05, 0.05, places.shape)
    images = draw(*shape, low=0.0, high=9.0) if draw.dtype == "uint8" else draw(*shape)
    return images, matrix.astype(dtype), (np.floor(places) + share - places).astype(dtype)


def _theta_samples(draw: Draw) -> Iterator[Sample]:
    for corners in (False, True):
        yield call(draw(2, 2, 3), (2, 1, 3, 4), corners)
        yield call(draw(1, 3, 4), (1, 2, 2, 3, 1), align_corners=corners)


def _shuffle_samples(*shapes: tuple[tuple[int, ...], int]) -> Callable[[Draw], Iterator[Sample]]:
    def samples(draw: Draw) -> Iterator[Sample]:
        for shape, r in shapes:
            yield call(draw(*shape), r)

    return samples


F: dict[str, Any] = {"forms": ("nn.functional",)}
BOTH: dict[str, Any] = {"forms": ("nn.functional", "torch"), "dtypes": ALL, "rtol": EXACT}

ROWS = table(
    Row(
        name="interpolate.nearest",
        reference=interpolate,
        samples=_nearest_samples,
        like="resample_nearest",
        rtol=EXACT,
        bad=(
            bad(ValueError, ones(1, 1, 3), words=("scale_factor",)),
            bad(ValueError, ones(1, 1, 3), 2, 2.0, words=("scale_factor",)),
            bad(ValueError, ones(1, 1, 3), (2, 2), words=("(2, 2)",)),
            bad(ValueError, ones(1, 1, 3), 2, align_corners=True, words=("align_corners",)),
            bad(NotImplementedError, ones(1, 3), 2, words=("(1, 3)",)),
            bad(NotImplementedError, ones(1, 1, 3), 2, mode="lanczos", words=("lanczos",)),
        ),
        **F,
    ),
    Row(
        name="interpolate",
        reference=interpolate,
        samples=_linear_samples,
        like="resample",
        rtol={"float32": 1e-5, "float64": 1e-13},
        scale="largest",
        why="positions and weights are worked out in the dtype of the input",
        bad=(
            bad(NotImplementedError, ones(1, 1, 3), 2, mode="bilinear", words=("bilinear",)),
            bad(ValueError, ones(1, 1, 3), 2, mode="linear", antialias=True, words=("antialias",)),
        ),
        **F,
    ),
    Row(
        name="grid_sample",
        reference=grid_sample,
        samples=_grid_samples,
        like="grid_sample_at",
        rtol={"float32": 2e-5, "float64": 1e-12},
        scale="largest",
        why="weights are differences of coordinates, which lose what they have in common",
        bad=(
            bad(ValueError, ones(1, 1, 2, 2), ones(1, 2, 2, 2), "cubic", words=("cubic",)),
            bad(ValueError, ones(1, 1, 2, 2), ones(1, 2, 2, 2), "nearest", "wrap", words=("wrap",)),
            bad(RuntimeError, ones(1, 1, 2, 2), ones(1, 2, 2, 3), "nearest", words=("(1, 2, 2, 3)",)),
            bad(RuntimeError, ones(1, 1, 2, 2), ones(2, 2, 2, 2), "nearest", words=("batch",)),
            bad(RuntimeError, ones(1, 1, 2), ones(1, 2, 2), "nearest", words=("(1, 1, 2)",)),
            bad(RuntimeError, ones(1, 1, 2, 2), ones(1, 2, 2, 2, dtype="float64"), words=("float64",)),
        ),
        **F,
    ),
    Row(
        name="warp_image",
        reference=warp_image,
        samples=_warp_samples,
        dtypes=("uint8", *FLOATS),
        forms=("augment.functional",),
        rtol={"float32": 2e-5, "float64": 1e-12},
        scale="largest",
        why="weights are differences of coordinates, which lose what they have in common",
        bad=(
            bad(ValueError, ones(1, 1, 2, 2), ones(1, 2, 3), mode="cubic", words=("cubic",)),
            bad(ValueError, ones(1, 1, 2, 2), ones(1, 2, 3), padding_mode="wrap", words=("wrap",)),
            bad(TypeError, ones(1, 1, 2, 2, dtype="int64"), ones(1, 2, 3), words=("int64", "nearest")),
            bad(ValueError, ones(1, 2, 2), ones(1, 2, 3), words=("(1, 2, 2)",)),
            bad(RuntimeError, ones(1, 1, 0, 2), ones(1, 2, 3), size=(2, 2), words=("(1, 1, 0, 2)",)),
            bad(RuntimeError, ones(2, 1, 2, 2), ones(1, 2, 3), words=("matrix", "(1, 2, 3)")),
            bad(RuntimeError, ones(1, 1, 2, 2), ones(1, 2, 3, dtype="float64"), words=("float64",)),
            bad(RuntimeError, ones(1, 1, 2, 2), ones(1, 2, 3), ones(1, 2, 2, 3), words=("displacement",)),
            bad(RuntimeError, ones(1, 1, 2, 2), ones(1, 2, 3), size=(0, 3), words=("(0, 3)",)),
        ),
    ),
    Row(
        name="warp_image.nearest",
        reference=warp_image,
        samples=_nearest_warp_samples,
        dtypes=ALL,
        forms=("augment.functional",),
        rtol=EXACT,
        gradient=False,
        like="warp_image",
    ),
    Row(
        name="affine_grid",
        reference=affine_grid,
        samples=_theta_samples,
        scale="largest",
        why="terms cancel, whose coordinates of both signs the absolute arguments do not show",
        bad=(
            bad(ValueError, ones(1, 2, 3, dtype="int64"), (1, 1, 2, 2), words=("int64",)),
            bad(ValueError, ones(1, 2, 2), (1, 1, 2, 2), words=("(1, 2, 2)",)),
            bad(ValueError, ones(1, 2, 3), (1, 1, 0, 2), words=("size",)),
            bad(NotImplementedError, ones(1, 2, 3), (1, 1, 2), words=("size",)),
        ),
        **F,
    ),
    Row(
        name="pixel_shuffle",
        reference=pixel_shuffle,
        samples=_shuffle_samples(((4, 2, 3), 2), ((2, 9, 1, 2), 3), ((2, 1, 4, 3, 3), 1), ((0, 4, 2, 2), 2)),
        bad=(
            bad(RuntimeError, ones(3, 2, 2), 2, words=("divisible",)),
            bad(RuntimeError, ones(2, 2), 2, words=("(2, 2)",)),
            bad(RuntimeError, ones(4, 2, 2), 0, words=("upscale_factor",)),
        ),
        **BOTH,
    ),
    Row(
        name="pixel_unshuffle",
        reference=pixel_unshuffle,
        samples=_shuffle_samples(((1, 4, 6), 2), ((2, 2, 3, 6), 3), ((2, 1, 2, 3, 3), 1), ((0, 4, 2, 2), 2)),
        bad=(
            bad(RuntimeError, ones(3, 3, 2), 2, words=("divisible",)),
            bad(RuntimeError, ones(4, 2, 2), -1, words=("downscale_factor",)),
        ),
        **BOTH,
    ),
    Row(
        name="channel_shuffle",
        reference=channel_shuffle,
        samples=_shuffle_samples(((1, 4, 3), 2), ((2, 6, 2, 2), 3), ((1, 4, 2, 1, 2), 4), ((0, 4, 2, 2), 2)),
        bad=(
            bad(RuntimeError, ones(1, 3, 2), 2, words=("divisible",)),
            bad(RuntimeError, ones(1, 3, 2), 0, words=("groups",)),
            bad(RuntimeError, ones(1, 3), 1, words=("(1, 3)",)),
        ),
        **BOTH,
    ),
)

CASES = [
    Case("Upsample", lambda x: interpolate(x, 5), normal((1, 2, 3, 4)), {"size": 5}),
    Case(
        "Upsample",
        lambda x: interpolate(x, None, 2.0, "bilinear", True),
        normal((1, 2, 3, 4)),
        {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
    ),
    Case(
        "UpsamplingNearest2d", lambda x: interpolate(x, None, 2.0), normal((1, 2, 3, 4)), {"scale_factor": 2}
    ),
    Case(
        "UpsamplingBilinear2d",
        lambda x: interpolate(x, (5, 3), mode="bilinear", align_corners=True),
        normal((1, 2, 3, 4)),
        {"size": (5, 3)},
    ),
    Case("PixelShuffle", lambda x: pixel_shuffle(x, 2), normal((1, 8, 2, 3)), {"upscale_factor": 2}),
    Case("PixelUnshuffle", lambda x: pixel_unshuffle(x, 2), normal((1, 2, 4, 6)), {"downscale_factor": 2}),
    Case("ChannelShuffle", lambda x: channel_shuffle(x, 2), normal((2, 4, 3)), {"groups": 2}),
]
