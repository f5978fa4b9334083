"""Rows: sorting, selection by rank, quantiles and search; running results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .rows import ALL, EXACT, NUMBERS, Array, Draw, Row, Sample, Samples, bad, call, ones, table

BAD_DIM = (bad(IndexError, ones(2, 3), 2, words=("2",)),)
LINES = (
    ((7,), 0),
    ((3, 5), 0),
    ((3, 5), 1),
    ((2, 3, 4), 1),
    ((2, 3, 4), -1),
    ((), 0),
    ((0, 3), 1),
    ((67, 45), 0),
)


# Order ----------------------------------------------------------------------------------------------------


def stable_order(x: Array, dim: int, descending: bool = False) -> Array:
    """Indices that sort x stably along dim, NaN as the largest."""
    if x.ndim == 0:
        return np.zeros((), dtype=np.int64)
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    # Reversed twice, so that equal elements keep their order.
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return np.flip(x.shape[dim] - 1 - backwards, dim)


def picked(x: Array, order: Array, dim: int) -> tuple[Array, Array]:
    """The elements that `order` names, and `order`."""
    return (np.take_along_axis(x, order, axis=dim) if x.ndim else x), order


def sort(
    x: Array, dim: int = -1, descending: bool = False, stable: bool | None = None
) -> tuple[Array, Array]:
    """Values and indices in stable order."""
    return picked(x, stable_order(x, dim, descending), dim)


def topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Array]:
    """The first k of the sorted line."""
    order = stable_order(x, dim, largest)
    return picked(x, np.take(order, np.arange(k), axis=dim) if x.ndim else order, dim)


def of_rank(x: Array, rank: int | Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The element at a place of the sorted line."""
    if x.ndim == 0:
        return x, np.zeros((), dtype=np.int64)
    order = stable_order(x, dim)
    place = np.broadcast_to(
        np.asarray(rank), tuple(1 if d == dim % x.ndim else n for d, n in enumerate(x.shape))
    )
    values, indices = picked(x, np.take_along_axis(order, place, axis=dim), dim)
    return (values, indices) if keepdim else (np.squeeze(values, dim), np.squeeze(indices, dim))


def kthvalue(x: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The k-th smallest."""
    return of_rank(x, k - 1, dim, keepdim)


def median(skips_nan: bool) -> Callable[..., Any]:
    """The lower median of all elements or along dim; NaN (the first) where there is one, unless skipped."""

    def of(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return np.asarray(of(x.reshape(-1), 0)[0])
        if x.ndim == 0:
            return x, np.zeros((), dtype=np.int64)
        nans = (
            np.isnan(x).sum(axis=dim, keepdims=True)
            if x.dtype.kind == "f"
            else 0 * x.sum(dim, keepdims=True).astype(int)
        )
        n = x.shape[dim]
        rank = np.maximum(0, (n - nans - 1) // 2) if skips_nan else np.where(nans > 0, n - nans, (n - 1) // 2)
        return of_rank(x, rank.astype(np.int64), dim, keepdim)

    return of


def mode(x: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The most frequent value, of several the smallest, and its last place."""
    if x.ndim == 0:
        return x, np.zeros((), dtype=np.int64)

    def line(values: Array) -> Array:
        found, counts = np.unique(values, return_counts=True)
        return np.flatnonzero(values == found[np.argmax(counts)])[-1:]

    place = np.apply_along_axis(line, dim, x)
    values, indices = picked(x, place, dim)
    return (values, indices) if keepdim else (np.squeeze(values, dim), np.squeeze(indices, dim))


def quantile(function: Callable[..., Any]) -> Callable[..., Array]:
    """NumPy's quantiles, with q's dimension first."""

    def of(
        x: Array, q: Any, dim: int | None = None, keepdim: bool = False, interpolation: str = "linear"
    ) -> Array:
        axis = dim if x.ndim else None
        return np.asarray(function(x, q, axis=axis, keepdims=keepdim, method=interpolation))

    return of


def searchsorted(
    rows: Array,
    x: Any,
    *,
    right: bool = False,
    side: str | None = None,
    sorter: Array | None = None,
    out_int32: bool = False,
) -> Array:
    """np.searchsorted row by row."""
    where = "right" if right or side == "right" else "left"
    if sorter is not None:
        rows = np.take_along_axis(rows, sorter, -1)
    if rows.ndim == 1:
        return np.asarray(np.searchsorted(rows, x, side=where))
    n, m = rows.shape[-1], x.shape[-1]
    pairs = zip(rows.reshape(-1, n), x.reshape(-1, m), strict=True)
    return np.array([np.searchsorted(r, v, side=where) for r, v in pairs]).reshape(x.shape)


def over(
    *cases: tuple[tuple[int, ...], int], variants: tuple[dict[str, Any], ...] = ({},), k: int | None = None
) -> Samples:
    """Distinct values and repeated ones over lines."""

    def samples(draw: Draw) -> Iterator[Sample]:
        for variant in variants:
            for shape, dim in cases:
                rest = (dim,) if k is None else (min(k, shape[dim] if shape else 1), dim)
                many = draw.dtype in ("uint8", "bool") and np.prod(shape) > 200
                yield Sample(
                    (draw(*shape) if many else draw.distinct(*shape), *rest), dict(variant), smooth=not many
                )
        if draw.floating:
            values = np.array([[3, np.nan, -0.0, 0.0, np.inf, -np.inf, np.nan, 3, 1e-30]], draw.dtype)
            rest = (1,) if k is None else (min(k, 9), 1)
            yield Sample((values, *rest), dict(variants[0]), smooth=False)

    return samples


def _ties(samples: Samples) -> Samples:
    def more(draw: Draw) -> Iterator[Sample]:
        yield from samples(draw)
        # Long lines and many equal elements; a large range in a wide dtype.
        yield call(np.round(draw(3, 300)).astype(draw.dtype), 1, smooth=False)
        yield call(np.round(draw(300, 3)).astype(draw.dtype), 0, smooth=False)
        if draw.dtype in ("int64", "float64"):
            wide = draw.rng.integers(-(2**62), 2**62, 5000).astype(draw.dtype)
            wide[::7] = wide[1]
            yield call(wide, 0, smooth=False)
        if draw.dtype in ("int32", "float32"):
            yield call(draw.rng.integers(-(2**31), 2**31 - 1, 5000).astype(draw.dtype), 0, smooth=False)

    return more


def _order_rows() -> tuple[Row, ...]:
    pairs: dict[str, Any] = {"dtypes": ALL, "rtol": EXACT, "native": True, "result": ("same", "int64")}
    indices: dict[str, Any] = {"dtypes": ALL, "native": True, "result": "int64", "gradient": False}
    lines = LINES[:-2] + LINES[-1:]

    def whole(draw: Draw) -> Iterator[Sample]:
        for shape in ((7,), (3, 5), (2, 3, 4), ()):
            yield call(draw.distinct(*shape))
        yield from over(*lines, variants=({}, {"keepdim": True}))(draw)

    def modes(draw: Draw) -> Iterator[Sample]:
        for shape, dim in lines:
            for keep in (False, True):
                # Whole numbers, so that moving one of them leaves no doubt.
                values = np.round(draw(*shape, low=0, high=2)).astype(draw.dtype)
                yield call(values, dim, keep, smooth=False)
        yield call(draw.distinct(3, 4), 1)

    def quantiles(draw: Draw) -> Iterator[Sample]:
        for shape, dim in lines[:-1]:
            for q in (0.0, 0.31, 1.0, np.array([0.2, 0.77, 0.5], draw.dtype)):
                yield Sample((draw.distinct(*shape), q, dim), {}, smooth=isinstance(q, float))
        yield Sample((draw.distinct(3, 4), 0.4), {"keepdim": True})
        yield Sample((draw.distinct(3, 4), 0.4), {})
        for interpolation in ("lower", "higher", "midpoint", "nearest"):
            yield Sample((draw.distinct(3, 6), 0.33, 1), {"interpolation": interpolation})
        holes = np.where(draw.mask(6, 5), draw.distinct(6, 5), np.nan).astype(draw.dtype)
        holes[0] = 1
        yield Sample((holes, 0.5, 0), {}, smooth=False)

    def searches(draw: Draw) -> Iterator[Sample]:
        line = np.sort(draw(9))
        yield call(line, draw(4))
        yield call(line, draw(2, 3))
        yield call(line, draw())
        yield call(line, 1.5 if draw.floating else 1)
        rows = np.sort(draw(2, 3, 5), axis=-1)
        for options in ({}, {"right": True}, {"side": "right"}, {"side": "left"}):
            yield call(line, line[3:6].copy(), **options)
            yield call(rows, draw(2, 3, 4), **options)
        yield call(line[:0].copy(), draw(3))
        yield call(line, draw(0))
        mixed = draw.distinct(2, 6)
        yield call(mixed, draw(2, 3), sorter=np.argsort(mixed, axis=-1))

    def buckets(draw: Draw) -> Iterator[Sample]:
        line = np.sort(draw(9))
        for options in ({}, {"right": True}):
            yield call(draw(4), line, **options)
            yield call(draw(2, 3), line, **options)
            yield call(line[2:5].copy(), line, **options)

    def members(draw: Draw) -> Iterator[Sample]:
        for shape, other in (((7,), (3,)), ((3, 5), (2, 20)), ((), (4,)), ((4,), (0,)), ((3,), ())):
            yield call(np.round(draw(*shape)).astype(draw.dtype), np.round(draw(*other)).astype(draw.dtype))
        yield call(draw(4), 1)
        yield call(np.round(draw(9)).astype(draw.dtype), np.round(draw(3)).astype(draw.dtype), invert=True)

    def isin(x: Array, tests: Any, *, assume_unique: bool = False, invert: bool = False) -> Array:
        return np.asarray(np.isin(x, tests, invert=invert))

    size = bad(RuntimeError, ones(2, 3), 4, words=("4",))
    return (
        Row(
            name="sort",
            reference=sort,
            samples=_ties(over(*LINES, variants=({}, {"descending": True}))),
            **pairs,
            bad=BAD_DIM,
        ),
        Row(
            name="argsort",
            reference=lambda *a, **k: sort(*a, **k)[1],
            samples=_ties(over(*LINES, variants=({"stable": True}, {"descending": True}))),
            **indices,
            bad=BAD_DIM,
        ),
        Row(
            name="msort",
            reference=lambda x: sort(x, 0)[0],
            samples=lambda draw: (call(draw.distinct(*shape)) for shape in ((7,), (3, 5), (), (0, 2))),
            dtypes=ALL,
            rtol=EXACT,
            native=True,
        ),
        Row(
            name="topk",
            reference=topk,
            samples=over(*LINES, variants=({}, {"largest": False}), k=3),
            **pairs,
            bad=(size, bad(IndexError, ones(2, 3), 1, 2), bad(RuntimeError, ones(2, 3), -1)),
        ),
        Row(
            name="kthvalue",
            reference=kthvalue,
            samples=over(*lines, variants=({}, {"keepdim": True}), k=2),
            **pairs,
            bad=(size, bad(IndexError, ones(2, 3), 1, 2), bad(RuntimeError, ones(2, 3), 0)),
        ),
        Row(
            name="median",
            reference=median(False),
            samples=whole,
            **pairs,
            bad=(*BAD_DIM, bad(IndexError, ones(0, 3), 0)),
        ),
        Row(name="nanmedian", reference=median(True), samples=whole, **pairs, bad=BAD_DIM),
        Row(
            name="mode",
            reference=mode,
            samples=modes,
            **pairs,
            bad=(*BAD_DIM, bad(IndexError, ones(0))),
        ),
        Row(
            name="quantile",
            reference=quantile(np.quantile),
            samples=quantiles,
            scale="largest",
            why="the rank is rounded in the input's dtype",
            bad=(
                bad(RuntimeError, ones(3), 1.5),
                bad(RuntimeError, ones(3), ones(2, 2)),
                bad(RuntimeError, ones(3, dtype="int64"), 0.5),
            ),
        ),
        Row(
            name="nanquantile",
            reference=quantile(np.nanquantile),
            samples=quantiles,
            scale="largest",
            why="the rank is rounded in the input's dtype",
            bad=(bad(RuntimeError, ones(0), 0.5),),
        ),
        Row(
            name="searchsorted",
            reference=searchsorted,
            samples=searches,
            **{**indices, "dtypes": NUMBERS, "forms": ("torch",)},
            bad=(
                bad(RuntimeError, ones(2, 3), ones(3, 2)),
                bad(RuntimeError, ones(3), ones(2), side="middle"),
                bad(RuntimeError, ones(3), ones(2), side="left", right=True),
            ),
        ),
        Row(
            name="bucketize",
            reference=lambda x, line, right=False: searchsorted(line, x, right=right),
            samples=buckets,
            **{**indices, "dtypes": NUMBERS, "forms": ("torch",)},
            bad=(bad(RuntimeError, ones(3), ones(2, 2)),),
        ),
        Row(
            name="isin",
            reference=isin,
            samples=members,
            **{**indices, "dtypes": NUMBERS, "forms": ("torch",), "result": "bool"},
        ),
    )


# Running results ------------------------------------------------------------------------------------------


def _exact(x: Array) -> Array:
    return x if x.dtype.kind == "f" else x.astype(np.int64)


def running_extremum(is_better: Callable[[Any, Any], Any]) -> Callable[..., tuple[Array, Array]]:
    """The best so far, the last of equal ones, and where it is; NaN wins."""

    def scan(x: Array, dim: int) -> tuple[Array, Array]:
        if x.ndim == 0:
            return x, np.zeros((), dtype=np.int64)
        lines = np.moveaxis(x, dim, 0)
        values, indices = lines.copy(), np.zeros(lines.shape, dtype=np.int64)
        for i in range(1, len(lines)):
            wins = is_better(lines[i], values[i - 1]) | (lines[i] != lines[i])
            values[i] = np.where(wins, lines[i], values[i - 1])
            indices[i] = np.where(wins, i, indices[i - 1])
        return np.moveaxis(values, 0, dim), np.moveaxis(indices, 0, dim)

    return scan


def _trapezoid(running: bool) -> Callable[..., Array]:
    def of(y: Array, x: Array | None = None, *, dx: float = 1.0, dim: int = -1) -> Array:
        lines = np.moveaxis(y, dim, -1)
        steps = np.asarray(dx) if x is None else np.diff(x if x.ndim == 1 else np.moveaxis(x, dim, -1))
        areas = (lines[..., 1:] + lines[..., :-1]) / 2 * steps
        return np.moveaxis(np.cumsum(areas, -1), -1, dim) if running else np.asarray(areas.sum(-1))

    return of


def _diff(
    x: Array, n: int = 1, dim: int = -1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    parts = [part for part in (prepend, x, append) if part is not None]
    return np.asarray(np.diff(np.concatenate(parts, axis=dim), n=min(n, 9), axis=dim))


def _scan_rows() -> tuple[Row, ...]:
    def lines(low: float = -3, high: float = 3, zeros: bool = False, long: bool = False) -> Samples:
        def samples(draw: Draw) -> Iterator[Sample]:
            for shape, dim in LINES[:-1]:
                yield call(draw(*shape, low=low, high=high), dim)
            yield call(draw(9, 3, low=low, high=high), 0)
            if zeros:
                holes = draw(4, 6, low=low, high=high)
                holes[0, 2] = holes[1, 1] = holes[1, 4] = holes[2, 0] = 0
                yield call(holes, 1)
                yield call(holes.T.copy(), 0)
            if long:
                yield call(draw(5003, low=low, high=high), 0, smooth=False)

        return samples

    def logcumsumexp(x: Array, dim: int) -> Array:
        return np.asarray(np.logaddexp.accumulate(x, axis=dim)) if x.ndim else x

    def infinite(draw: Draw) -> Iterator[Sample]:
        yield from lines()(draw)
        yield call(np.array([-np.inf, -np.inf, 1, 800, -np.inf], draw.dtype), 0, smooth=False)

    def integrals(draw: Draw) -> Iterator[Sample]:
        for shape, dim in (((7,), 0), ((3, 5), 0), ((3, 5), 1), ((2, 3, 4), -2), ((1, 3), 0)):
            yield call(draw(*shape), dim=dim)
            yield call(draw(*shape), dx=0.5, dim=dim)
            yield call(draw(*shape), draw(shape[dim]), dim=dim)
            yield call(draw(*shape), draw(*shape), dim=dim)

    def differences(draw: Draw) -> Iterator[Sample]:
        for shape, dim in (((7,), 0), ((3, 5), 0), ((3, 5), 1), ((1, 3), 0), ((0, 2), 0)):
            yield call(draw(*shape), 1, dim)
        yield call(draw(3, 5), 2)
        yield call(draw(3, 5), 7, 0)
        yield call(draw(3, 5), 1, 1, draw(3, 1), draw(3, 2))

    extremum: dict[str, Any] = {
        "dtypes": ALL,
        "rtol": EXACT,
        "native": True,
        "result": ("same", "int64"),
        "bad": BAD_DIM,
    }
    integral: dict[str, Any] = {
        "forms": ("torch",),
        "samples": integrals,
        "atol": {"float32": 2e-6, "float64": 1e-14},
        "why": "sums of both signs",
    }
    return (
        Row(
            name="cumprod",
            reference=lambda x, dim: np.cumprod(_exact(x), axis=dim).reshape(x.shape),
            samples=lines(low=0.5, high=1.6, zeros=True),
            dtypes=ALL,
            result="sum",
            in_place=True,
            bad=BAD_DIM,
        ),
        Row(
            name="cumsum.long",
            reference=lambda x, dim: np.cumsum(_exact(x), axis=dim),
            samples=lambda draw: iter([call(draw(9), 0), call(draw(5003), 0, smooth=False)]),
            dtypes=NUMBERS,
            result="sum",
            scale="absolute",
            rtol={"float32": 2e-6, "float64": 1e-12},
            why="the reference, too, rounds 5,003 times",
        ),
        Row(name="cummax", reference=running_extremum(np.greater_equal), samples=over(*LINES), **extremum),
        Row(name="cummin", reference=running_extremum(np.less_equal), samples=over(*LINES), **extremum),
        Row(
            name="logcumsumexp",
            reference=logcumsumexp,
            samples=infinite,
            in_place=True,
            scale="largest",
            why="the result passes through zero",
            bad=BAD_DIM,
        ),
        Row(
            name="prod.with_zeros",
            reference=lambda x, dim=None: np.asarray(np.prod(x, axis=dim)),
            samples=lambda draw: iter(
                [
                    call(np.array([[2, 0, 3], [0, 0, 1], [1, 2, 4]], draw.dtype), 1),
                    call(np.array([1.5, 0, 2, -1], draw.dtype)),
                    call(np.array([0, 0, 2, -1], draw.dtype)),
                ]
            ),
        ),
        Row(
            name="diff",
            reference=_diff,
            samples=differences,
            dtypes=NUMBERS,
            bad=(bad(RuntimeError, ones()),),
        ),
        Row(name="trapezoid", reference=_trapezoid(False), **integral),
        Row(name="trapz", reference=_trapezoid(False), **integral),
        Row(name="cumulative_trapezoid", reference=_trapezoid(True), **integral),
    )


ROWS = table(*_order_rows(), *_scan_rows())
