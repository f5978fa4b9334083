"""Rows: reductions over some or all dimensions, arg-reductions and running sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .rows import (
    ALL,
    EXACT,
    NUMBERS,
    Array,
    Draw,
    Row,
    Sample,
    Samples,
    bad,
    call,
    ones,
    special_values,
    table,
)

Dim = int | tuple[int, ...] | list[int] | None

BAD_DIMS = (
    bad(IndexError, ones(2, 3), 2, words=("2",)),
    bad(IndexError, ones(2, 3), -3, words=("-3",)),
    bad(TypeError, ones(2, 3), "rows"),
)
BAD_MANY = (
    *BAD_DIMS,
    bad(RuntimeError, ones(2, 3), (0, 0), words=("0",)),
    bad(IndexError, ones(2, 3), (0, 5), words=("5",)),
)


def axes(dim: Dim) -> tuple[int, ...] | None:
    """NumPy's axis for PyTorch's dim: None and () mean all."""
    if dim is None:
        return None
    if isinstance(dim, int):
        return (dim,)
    return tuple(dim) or None


def over(function: Callable[..., Any]) -> Callable[..., Array]:
    """A NumPy reduction with PyTorch's signature (input, dim=None, keepdim=False)."""

    def reduced(x: Array, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Array:
        x = np.asarray(x)
        if x.ndim == 0:
            return np.asarray(function(x.reshape(1)))
        return np.asarray(function(x, axis=axes(dim), keepdims=keepdim))

    return reduced


def summed(x: Array, **options: Any) -> Array:
    """Sum; bool and integers accumulate in int64."""
    return np.asarray(np.sum(x, dtype=None if np.issubdtype(x.dtype, np.floating) else np.int64, **options))


def product(x: Array, **options: Any) -> Array:
    """Product; bool and integers accumulate in int64."""
    return np.asarray(np.prod(x, dtype=None if np.issubdtype(x.dtype, np.floating) else np.int64, **options))


def variance(x: Array, dim: Dim = None, correction: float = 1, keepdim: bool = False) -> Array:
    """Mean squared deviation with n - correction in the denominator (NaN where that is not positive)."""
    x = np.asarray(x, dtype=np.float64)
    axis = axes(dim) if x.ndim else None
    count = x.size if axis is None else int(np.prod([x.shape[a] for a in axis]))
    with np.errstate(all="ignore"):
        mean = x.sum(axis=axis, keepdims=True) / np.float64(count)
        squares = np.square(x - mean).sum(axis=axis, keepdims=keepdim)
        return np.asarray(squares / np.float64(max(count - correction, 0)))


def deviation(x: Array, dim: Dim = None, correction: float = 1, keepdim: bool = False) -> Array:
    """Square root of the variance."""
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt(variance(x, dim, correction, keepdim)))


def mean_of(x: Array, **options: Any) -> Array:
    """Mean; NaN of nothing."""
    with np.errstate(all="ignore"):
        total = np.asarray(np.sum(x, **options), dtype=np.float64)
        return total / np.float64(x.size / max(total.size, 1) if x.size else 0.0)


def extreme(function: Callable[..., Any], argument: Callable[..., Any]) -> Callable[..., Any]:
    """max and min: all elements, or (values, indices) along dim, or the elementwise choice of two tensors."""

    def chosen(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
        x = np.asarray(x)
        if isinstance(dim, np.ndarray):
            return np.maximum(x, dim) if function is np.max else np.minimum(x, dim)
        if dim is None:
            return np.asarray(function(x))
        if x.ndim == 0:
            return x, np.asarray(0)
        values = function(x, axis=dim, keepdims=keepdim)
        return np.asarray(values), np.asarray(argument(x, axis=dim, keepdims=keepdim))

    return chosen


def argument(function: Callable[..., Any]) -> Callable[..., Array]:
    """argmax and argmin: the flat index, or the index along dim."""

    def index(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        x = np.asarray(x)
        if x.ndim == 0:
            return np.asarray(0)
        return np.asarray(function(x, axis=dim, keepdims=keepdim))

    return index


def logsumexp(x: Array, dim: Dim, keepdim: bool = False) -> Array:
    """log of the sum of exp(x), shifted by the largest value."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim == 0:
        return x
    axis = axes(dim)
    top = np.asarray(np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(all="ignore"):
        total = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return np.asarray(total if keepdim else np.squeeze(total, axis=axis))


def vector_norm(x: Array, ord: float = 2, dim: Dim = None, keepdim: bool = False) -> Array:
    """(sum |x|^p)^(1/p); the count of non-zeros for p = 0, the largest and smallest for p = inf and -inf."""
    x = np.abs(np.asarray(x, dtype=np.float64))
    axis = axes(dim) if x.ndim else None
    if ord == np.inf:
        return np.asarray(np.max(x, axis=axis, keepdims=keepdim))
    if ord == -np.inf:
        return np.asarray(np.min(x, axis=axis, keepdims=keepdim))
    if ord == 0:
        return np.asarray((x != 0).sum(axis=axis, keepdims=keepdim), dtype=np.float64)
    return np.asarray(np.sum(x**ord, axis=axis, keepdims=keepdim) ** (1.0 / ord))


def norm(x: Array, p: Any = "fro", dim: Dim = None, keepdim: bool = False) -> Array:
    """The vector norm of the flattened dims; "fro" is p = 2, "nuc" the sum of a matrix's singular values."""
    if p == "nuc":
        first, second = (0, 1) if dim is None else np.atleast_1d(dim)
        total = np.linalg.svd(np.moveaxis(x, (first, second), (-2, -1)), compute_uv=False).sum(-1)
        return np.asarray(np.expand_dims(total, (first, second)) if keepdim else total)
    return vector_norm(x, 2 if p in ("fro", None) else p, dim, keepdim)


def reduction_samples(
    many: bool = True,
    empty: bool = True,
    needs_dim: bool = False,
    low: float = -3,
    high: float = 3,
    distinct: bool = False,
    special: bool = False,
    variants: tuple[dict[str, Any], ...] = ({},),
    away: tuple[float, ...] = (),
    single: bool = True,
) -> Samples:
    """Whole tensors, each dim, several dims, keepdim, empty, large; `single`: smooth on one element."""

    def samples(draw: Draw) -> Iterator[Sample]:
        def values(*shape: int) -> Array:
            if distinct:
                return draw.distinct(*shape)
            return draw(*shape, low=low, high=high, away=away)

        for extra in variants:
            if not needs_dim:
                for shape in (
                    (),
                    (1,),
                    (7,),
                    (3, 5),
                    (2, 3, 4),
                    *(((67, 33),) if draw.dtype != "uint8" else ()),
                ):
                    yield Sample((values(*shape),), dict(extra), smooth=single or shape not in ((), (1,)))
            for shape, dim in (
                ((7,), 0),
                ((3, 5), 0),
                ((3, 5), 1),
                ((2, 3, 4), 1),
                ((2, 3, 4), -1),
                ((), 0),
                ((), -1),
            ):
                yield Sample((values(*shape), dim), dict(extra), smooth=single or shape != ())
            yield Sample((values(2, 3, 4), 1), {"keepdim": True, **extra})
            if many:
                for dims in ((0, 1), (0, 2), (-1, 1), (2, 0, 1), [1]):
                    yield Sample((values(2, 3, 4), dims), dict(extra))
                yield Sample((values(2, 3, 4), (0, 2)), {"keepdim": True, **extra})
            if empty:
                if not needs_dim:
                    yield Sample((values(0),), dict(extra))
                    yield Sample((values(2, 0, 3),), dict(extra))
                yield Sample((values(2, 0, 3), 1), dict(extra))
            yield Sample((values(2, 0, 3), 0), dict(extra))
            yield Sample((values(2, 0, 3), -1), {"keepdim": True, **extra})
        if special and draw.floating:
            table_of_values = np.stack([special_values(draw.dtype), special_values(draw.dtype)[::-1]])
            for dim in (0, 1):
                yield call(table_of_values, dim, smooth=False)

    return samples


def _sum_like() -> tuple[Row, ...]:
    def with_dtype(draw: Draw) -> Iterator[Sample]:
        yield from reduction_samples()(draw)

    summing: dict[str, Any] = {"scale": "absolute", "bad": BAD_MANY}
    corrections: tuple[dict[str, Any], ...] = ({}, {"correction": 0}, {"correction": 2})
    spread: dict[str, Any] = {
        "samples": reduction_samples(variants=corrections, single=False),
        "bad": BAD_MANY,
        "scale": "largest",
        "why": "of equal values it is the rounding of their mean",
    }
    root = {"float32": 1e-6, "float64": 2e-15}

    def pair(function: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
        def both(
            x: Array, dim: Dim = None, correction: float = 1, keepdim: bool = False
        ) -> tuple[Array, Array]:
            return function(x, dim, correction, keepdim), over(mean_of)(x, dim, keepdim)

        return both

    return (
        Row(name="sum", reference=over(summed), samples=with_dtype, dtypes=ALL, result="sum", **summing),
        Row(name="mean", reference=over(mean_of), samples=with_dtype, **summing),
        Row(
            name="prod",
            reference=over(product),
            samples=reduction_samples(many=False, low=0.6, high=1.5, away=(0.0,)),
            dtypes=ALL,
            result="sum",
            rtol={"float32": 2e-5, "float64": 1e-12},
            why="the roundings of a product of 2,211 factors add up",
            bad=BAD_DIMS,
        ),
        Row(name="var", reference=variance, **spread),
        Row(name="std", reference=deviation, **spread, atol=root),
        Row(
            name="var_mean",
            reference=pair(variance),
            **{**spread, "forms": ("torch",), "result": ("same", "same")},
        ),
        Row(
            name="std_mean",
            reference=pair(deviation),
            atol=root,
            **{**spread, "forms": ("torch",), "result": ("same", "same")},
        ),
        Row(
            name="logsumexp",
            reference=logsumexp,
            samples=reduction_samples(needs_dim=True, special=True),
            dtypes=ALL,
            result="float",
            scale="largest",
            why="the result passes through zero",
            bad=BAD_MANY[:2],
        ),
    )


def _extreme_rows() -> tuple[Row, ...]:
    nothing = bad(RuntimeError, ones(0), words=("0",))
    single: dict[str, Any] = {
        "dtypes": ALL,
        "rtol": EXACT,
        "native": True,
        "ties": False,
        "samples": reduction_samples(many=False, empty=False, distinct=True),
        "result": ("same", "int64"),
    }

    def extreme_samples(draw: Draw) -> Iterator[Sample]:
        yield from reduction_samples(many=False, empty=False, distinct=draw.dtype != "bool")(draw)
        both = draw.distinct(15 + 5)
        yield call(both[:15].reshape(3, 5), both[15:])

    many: dict[str, Any] = {
        "dtypes": ALL,
        "rtol": EXACT,
        "native": True,
        "bad": (*BAD_MANY[:2], *BAD_MANY[3:4]),
        "samples": reduction_samples(empty=False, distinct=True, special=True),
    }
    indexed: dict[str, Any] = {
        "dtypes": NUMBERS,
        "rtol": EXACT,
        "native": True,
        "ties": False,
        "result": "int64",
        "gradient": False,
        "samples": reduction_samples(many=False, empty=False, distinct=True),
        "bad": (*BAD_DIMS[:2], bad(IndexError, ones(0), words=()), bad(IndexError, ones(2, 0), 1)),
    }
    return (
        Row(name="amax", reference=over(np.max), **many),
        Row(name="amin", reference=over(np.min), **many),
        Row(
            name="max",
            reference=extreme(np.max, np.argmax),
            **{
                **single,
                "samples": extreme_samples,
                "bad": (*BAD_DIMS[:2], nothing, bad(IndexError, ones(2, 0), 1)),
            },
        ),
        Row(
            name="min",
            reference=extreme(np.min, np.argmin),
            **{
                **single,
                "samples": extreme_samples,
                "bad": (*BAD_DIMS[:2], nothing, bad(IndexError, ones(2, 0), 1)),
            },
        ),
        Row(name="argmax", reference=argument(np.argmax), **indexed),
        Row(name="argmin", reference=argument(np.argmin), **indexed),
    )


def _logic_and_norms() -> tuple[Row, ...]:
    truth: dict[str, Any] = {
        "dtypes": ("bool", "int32", "int64", "float32", "float64"),
        "result": "bool",
        "gradient": False,
        "samples": reduction_samples(low=0, high=1),
        "bad": BAD_DIMS[:2],
    }
    orders: tuple[dict[str, Any], ...] = ({}, {"ord": 1}, {"ord": 3}, {"ord": 2.5})
    powers: tuple[dict[str, Any], ...] = ({}, {"p": 1}, {"p": 3}, {"p": 2.5})

    def norm_samples(key: str, variants: tuple[dict[str, Any], ...]) -> Samples:
        def samples(draw: Draw) -> Iterator[Sample]:
            for variant in variants:
                for shape, dim in (
                    ((7,), None),
                    ((3, 5), None),
                    ((3, 5), 0),
                    ((2, 3, 4), (0, 2)),
                    ((0, 3), 0),
                    ((0,), None),
                ):
                    yield Sample((draw(*shape, away=(0.0,)),), {"dim": dim, **variant})
                yield Sample((draw(2, 3, 4, away=(0.0,)),), {"dim": 1, "keepdim": True, **variant})
            yield Sample((draw(away=(0.0,)),))
            for order in (float("inf"), float("-inf")):
                yield Sample((draw.distinct(3, 5) + np.asarray(9, draw.dtype),), {key: order, "dim": 1})
            yield Sample((draw.mask(3, 5).astype(draw.dtype),), {key: 0, "dim": 1}, smooth=False)
            yield Sample((draw(3, 5, away=(0.0,)),), {key: 0, "dim": 1})
            if key == "p":
                yield Sample((draw(3, 5),), {key: "fro", "dim": 1})
                yield Sample((draw(3, 5),), {key: "nuc"})
                yield Sample((draw(2, 3, 4),), {key: "nuc", "dim": (2, 0), "keepdim": True})

        return samples

    def count(x: Array, dim: Dim = None) -> Array:
        return np.asarray(np.count_nonzero(x, axis=axes(dim) if np.ndim(x) else None))

    def count_samples(draw: Draw) -> Iterator[Sample]:
        for shape, dim in (
            ((), None),
            ((7,), None),
            ((3, 5), 0),
            ((2, 3, 4), (0, 2)),
            ((2, 3, 4), -1),
            ((0,), None),
        ):
            yield call(draw(*shape, low=0, high=2), dim)

    def cumulative_samples(draw: Draw) -> Iterator[Sample]:
        for shape, dim in (
            ((7,), 0),
            ((3, 5), 0),
            ((3, 5), 1),
            ((2, 3, 4), 1),
            ((2, 3, 4), -1),
            ((), 0),
            ((0, 3), 0),
        ):
            yield call(draw(*shape), dim)

    def cumulative(x: Array, dim: int) -> Array:
        return x.astype(np.float64 if x.dtype.kind == "f" else np.int64).cumsum(axis=dim).reshape(x.shape)

    return (
        Row(name="any", reference=over(np.any), **truth),
        Row(name="all", reference=over(np.all), **truth),
        Row(
            name="linalg.vector_norm",
            reference=vector_norm,
            samples=norm_samples("ord", orders),
            forms=("linalg",),
            bad=(bad(IndexError, ones(2, 3), 2, 2, words=("2",)), bad(RuntimeError, ones(2, dtype="int64"))),
        ),
        Row(
            name="norm",
            reference=norm,
            samples=norm_samples("p", powers),
            bad=(
                bad(IndexError, ones(2, 3), 2, 2, words=("2",)),
                bad(ValueError, ones(2, 3), "max", words=("'nuc'",)),
                bad(RuntimeError, ones(2, 3, 4), "nuc", words=("dim",)),
                bad(IndexError, ones(2, 3), "nuc", (0, 2)),
            ),
        ),
        Row(
            name="count_nonzero",
            reference=count,
            samples=count_samples,
            dtypes=ALL,
            result="int64",
            gradient=False,
            bad=(bad(IndexError, ones(2, 3), 2, words=("2",)),),
        ),
        Row(
            name="cumsum",
            reference=cumulative,
            samples=cumulative_samples,
            dtypes=ALL,
            result="sum",
            in_place=False,
            scale="absolute",
            bad=BAD_DIMS[:2],
        ),
    )


ROWS = table(*_sum_like(), *_extreme_rows(), *_logic_and_norms())
