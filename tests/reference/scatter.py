"""Rows: elements scattered along a dimension, and combined where several meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .rows import NUMBERS, Array, Draw, Row, Sample, Samples, bad, ones, table


def scattered(combine: Callable[[Any, Any], Any]) -> Callable[..., Array]:
    """result[index[i][j]][j] = combine(result[..], src[i][j]) for dim 0, in the order of the index."""

    def of(x: Array, dim: int, index: Array, src: Any) -> Array:
        result = np.array(x)
        for place in np.ndindex(index.shape):
            to = (*place[: dim % x.ndim], index[place], *place[dim % x.ndim + 1 :]) if x.ndim else ()
            value = src[place] if isinstance(src, np.ndarray) and src.ndim else src
            with np.errstate(all="ignore"):
                result[to] = combine(result[to], value)
        return result

    return of


REDUCTIONS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "sum": (np.add, 0),
    "mean": (np.add, 0),
    "prod": (np.multiply, 1),
    "amax": (np.maximum, None),
    "amin": (np.minimum, None),
}


def scatter_reduce(
    x: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """All that meets in a place, reduced; with or without what the input has there."""
    combine, _ = REDUCTIONS[reduce]
    members: dict[tuple[int, ...], list[Any]] = {}
    for place in np.ndindex(index.shape):
        to = (*place[: dim % x.ndim], int(index[place]), *place[dim % x.ndim + 1 :]) if x.ndim else ()
        members.setdefault(to, [x[to]] if include_self else []).append(src[place])
    result = np.array(x)
    for to, values in members.items():
        total = values[0]
        for value in values[1:]:
            total = combine(total, value)
        if reduce == "mean":
            total = total / len(values) if x.dtype.kind == "f" else total // len(values)
        result[to] = total
    return result


def index_reduce(
    x: Array, dim: int, index: Array, source: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """Slices that an index sends to one slice, reduced."""
    line = [1] * source.ndim
    if source.ndim:
        line[dim] = index.size
    whole = np.broadcast_to(index.reshape(line), source.shape)
    return scatter_reduce(x, dim, whole, source, reduce, include_self=include_self)


def scatter(x: Array, dim: int, index: Array, src: Any, reduce: str | None = None) -> Array:
    """The last write stays; or added or multiplied."""
    combine = {None: lambda _, new: new, "add": np.add, "multiply": np.multiply}[reduce]
    return scattered(combine)(x, dim, index, src)


SCATTER_CASES = (
    ((5,), 0, (7,), (7,)),
    ((3, 4), 0, (2, 4), (2, 4)),
    ((3, 4), 1, (3, 6), (3, 6)),
    ((3, 4), -1, (2, 3), (3, 5)),
    ((2, 3, 4), 1, (2, 5, 4), (2, 6, 4)),
    ((3, 4), 0, (0, 4), (0, 4)),
    ((), 0, (), ()),
)


def _scatter_rows() -> tuple[Row, ...]:
    def samples(
        unique: bool,
        number: bool = False,
        variants: tuple[dict[str, Any], ...] = ({},),
        args: tuple[Any, ...] = (),
    ) -> Samples:
        def of(draw: Draw) -> Iterator[Sample]:
            for variant in variants:
                for shape, dim, index, source in SCATTER_CASES:
                    n = shape[dim] if shape else 1
                    places = draw.classes(*index, count=n)
                    if unique and places.ndim and places.size:
                        if index[dim] > n:
                            continue  # the derivative of what is overwritten is not defined
                        places = np.argsort(
                            draw.rng.random(
                                tuple(n if d == dim % len(index) else m for d, m in enumerate(index))
                            ),
                            axis=dim,
                        )
                        places = np.take(places, np.arange(index[dim]), axis=dim)
                    yield Sample((draw.distinct(*shape), dim, places, draw(*source), *args), dict(variant))
                if number:
                    yield Sample((draw(3, 4), 1, draw.classes(3, 2, count=4), 2), dict(variant))

        return of

    def many(draw: Draw) -> Iterator[Sample]:
        for reduce in REDUCTIONS:
            for include_self in (True, False):
                if reduce == "prod" and not draw.floating:
                    continue
                for sample in samples(False)(draw):
                    first, dim, index, source = sample.args
                    if reduce in ("amax", "amin"):
                        both = draw.distinct(first.size + source.size)
                        first, source = (
                            both[: first.size].reshape(first.shape),
                            both[first.size :].reshape(source.shape),
                        )
                    yield Sample((first, dim, index, source, reduce), {"include_self": include_self})

    def slices(draw: Draw) -> Iterator[Sample]:
        for reduce in ("prod", "mean", "amax", "amin"):
            for include_self in (True, False):
                if reduce == "prod" and not draw.floating:
                    continue
                for shape, dim, places, source in (
                    ((5,), 0, [3, 0, 3], (3,)),
                    ((3, 4), 1, [2, 0, 2, 2, 1], (3, 5)),
                    ((2, 3, 4), -2, [1], (2, 1, 4)),
                    ((3, 4), 0, [], (0, 4)),
                    ((), 0, [0], ()),
                ):
                    both = draw.distinct(int(np.prod(shape) + np.prod(source)))
                    parts = np.split(both, [int(np.prod(shape))])
                    index = np.asarray(places, dtype=np.int64)
                    args = (parts[0].reshape(shape), dim, index, parts[1].reshape(source), reduce)
                    yield Sample(args, {"include_self": include_self})

    index = np.zeros((2, 2), dtype=np.int64)
    line = np.zeros(2, dtype=np.int64)
    wrong = (
        bad(RuntimeError, ones(2, 3), 0, ones(2, 2), ones(2, 2), words=("int64",)),
        bad(IndexError, ones(2, 3), 2, index, ones(2, 2)),
        bad(RuntimeError, ones(1, 2), 1, index, ones(2, 2)),
        bad(RuntimeError, ones(2, 3), 0, index + 9, ones(2, 2), words=("9",)),
        bad(RuntimeError, ones(2, 3), 0, index, ones(2, 2, dtype="float64")),
    )
    common: dict[str, Any] = {"dtypes": NUMBERS, "in_place": True, "ties": False, "native": True}
    return (
        Row(
            name="scatter",
            reference=scatter,
            samples=samples(True, number=True, variants=({}, {"reduce": "add"}, {"reduce": "multiply"})),
            **common,
            bad=(*wrong, bad(RuntimeError, ones(2, 3), 0, index, ones(2, 2), reduce="max")),
        ),
        Row(
            name="scatter_add",
            reference=scattered(np.add),
            samples=samples(False),
            **common,
            scale="absolute",
            bad=wrong,
        ),
        Row(
            name="scatter_reduce",
            reference=scatter_reduce,
            samples=many,
            **{**common, "rtol": {"float32": 3e-6, "float64": 1e-13}},
            scale="largest",
            why="several roundings in the input's dtype",
            bad=(bad(RuntimeError, ones(2, 3), 0, index, ones(2, 2), "max"),),
        ),
        Row(
            name="index_reduce",
            reference=index_reduce,
            samples=slices,
            **{**common, "rtol": {"float32": 3e-6, "float64": 1e-13}},
            scale="largest",
            why="several roundings in the input's dtype",
            bad=(
                bad(RuntimeError, ones(2, 3), 0, line, ones(2, 3), "sum", words=("'prod'",)),
                bad(RuntimeError, ones(2, 3), 0, ones(2), ones(2, 3), "mean", words=("int64",)),
                bad(IndexError, ones(2, 3), 0, index, ones(2, 3), "mean", words=("1-d",)),
                bad(RuntimeError, ones(2, 3), 0, line, ones(1, 3), "mean", words=("(1, 3)", "(2, 3)")),
                bad(RuntimeError, ones(2, 3), 0, line, ones(2, 3, dtype="float64"), "mean"),
                bad(RuntimeError, ones(2, 3), 0, line + 2, ones(2, 3), "mean", words=("2",)),
            ),
        ),
    )


ROWS = table(*_scatter_rows())
