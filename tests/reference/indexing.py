"""Rows: picking elements by index tensors, and the views that are named after another tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .rows import ALL, EXACT, Array, Draw, Row, Sample, bad, call, ones, table
from .shape import MOVE, VIEW, joining_row, over


def as_strided(x: Array, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int = 0) -> Array:
    """The storage of a contiguous array under another geometry."""
    flat = x.reshape(-1)
    position = np.full(size, storage_offset, dtype=np.int64)
    for dim, (length, step) in enumerate(zip(size, stride, strict=True)):
        position += (np.arange(length) * step).reshape([-1 if d == dim else 1 for d in range(len(size))])
    return flat[position]


def gather(x: Array, dim: int, index: Array) -> Array:
    """result[i][j] = x[index[i][j]][j] for dim 0; the other dims of index may be shorter than x's."""
    if x.ndim == 0:
        return np.full(index.shape, x)
    dim %= x.ndim
    others = tuple(slice(None) if d == dim else slice(0, n) for d, n in enumerate(index.shape))
    return np.take_along_axis(x[others], index, axis=dim)


def _gather_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5), 0, draw.classes(7, count=5))
    yield call(draw(3, 4), 0, draw.classes(2, 4, count=3))
    yield call(draw(3, 4), 1, draw.classes(3, 6, count=4))
    yield call(draw(3, 4), -1, draw.classes(2, 3, count=4))
    yield call(draw(2, 3, 4), 1, draw.classes(2, 5, 4, count=3))
    yield call(draw(3, 4), 0, draw.classes(0, 4, count=3))


def _select_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5), 0, draw.classes(7, count=5))
    yield call(draw(3, 4), 0, draw.classes(2, count=3))
    yield call(draw(3, 4), 1, draw.classes(6, count=4))
    yield call(draw(2, 3, 4), -2, draw.classes(4, count=3))
    yield call(draw(3, 4), 0, draw.classes(0, count=3))


def _like(*pairs: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    def samples(draw: Draw) -> Iterator[Sample]:
        for shape, other in pairs:
            yield call(draw(*shape), draw(*other))

    return samples


LIKE: dict[str, Any] = {**VIEW, "forms": ("Tensor",), "fixed": (1,)}
INDEX = {"dtype": "int64"}

ROWS = table(
    Row(
        name="gather",
        reference=gather,
        samples=_gather_samples,
        **MOVE,
        bad=(
            bad(RuntimeError, ones(3, 4), 0, ones(2, **INDEX)),
            bad((RuntimeError, IndexError), ones(3, 4), 0, ones(2, 4, **INDEX) * 3, words=("3",)),
            bad(IndexError, ones(3, 4), 2, ones(2, 4, **INDEX), words=("2",)),
            bad(RuntimeError, ones(3, 4), 0, ones(2, 4), words=("int64",)),
        ),
    ),
    Row(
        name="index_select",
        reference=lambda x, dim, index: np.take(x, index, axis=dim),
        samples=_select_samples,
        **MOVE,
        bad=(
            bad(IndexError, ones(3, 4), 0, ones(2, 2, **INDEX)),
            bad((RuntimeError, IndexError), ones(3, 4), 0, ones(2, **INDEX) * 3, words=("3",)),
            bad(IndexError, ones(3, 4), 2, ones(2, **INDEX), words=("2",)),
            bad(RuntimeError, ones(3, 4), 0, ones(2)),
        ),
    ),
    Row(
        name="as_strided",
        reference=as_strided,
        dtypes=ALL,
        rtol=EXACT,
        native=True,
        reshapes=False,
        samples=over(
            ((12,), (3, 4), (4, 1)), ((12,), (2, 2), (1, 5), 3), ((3, 4), (4, 3), (1, 4)), ((5,), (), (), 2)
        ),
        bad=(
            bad(RuntimeError, ones(4), (5,), (1,)),
            bad(RuntimeError, ones(4), (2,), (3,), 2),
            bad(RuntimeError, ones(4), (2,), (1, 1)),
        ),
    ),
    Row(name="ravel", reference=np.ravel, samples=over(((2, 3, 4),), ((),), ((3,),), ((0, 3),)), **VIEW),
    Row(
        name="expand_as",
        reference=lambda x, y: np.broadcast_to(x, y.shape),
        samples=_like(((1, 3), (2, 3)), ((3,), (2, 3)), ((), (2, 2))),
        **LIKE,
        bad=(bad(RuntimeError, ones(2, 3), ones(4, 3), words=("(2, 3)", "(4, 3)")),),
    ),
    Row(
        name="view_as",
        reference=lambda x, y: x.reshape(y.shape),
        samples=_like(((2, 3), (3, 2)), ((6,), (1, 6)), ((), (1,))),
        reshapes=False,
        **LIKE,
        bad=(bad(RuntimeError, ones(2, 3), ones(4, 3), words=("(2, 3)", "(4, 3)")),),
    ),
    Row(
        name="reshape_as",
        reference=lambda x, y: x.reshape(y.shape),
        samples=_like(((2, 3), (3, 2)), ((6,), (1, 6)), ((), (1,))),
        **LIKE,
        bad=(bad(RuntimeError, ones(2, 3), ones(4, 3), words=("(2, 3)", "(4, 3)")),),
    ),
    joining_row("concat"),
    joining_row("concatenate"),
)
