"""Rows: elements named by index tensors, masks and places; copies with a part replaced; windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .rows import FLOATS, NUMBERS, Array, Draw, Row, Sample, bad, call, ones, table
from .shape import MOVE, over

INDEX = {"dtype": "int64"}


def along(dim: int, ndim: int, index: Any) -> tuple[Any, ...]:
    """An index for NumPy that picks slices along one dim."""
    return tuple(index if d == dim % ndim else slice(None) for d in range(ndim))


def index_put(x: Array, indices: Sequence[Array], values: Array, accumulate: bool = False) -> Array:
    """The elements replaced or, with accumulate, increased."""
    result = np.array(x)
    if accumulate and x.dtype == bool:
        np.logical_or.at(result, tuple(indices), values)
    elif accumulate:
        np.add.at(result, tuple(indices), values)
    else:
        result[tuple(indices)] = values
    return result


def index_add(x: Array, dim: int, index: Array, source: Array, alpha: Any = 1) -> Array:
    """Slices added, in the order of the index."""
    result = np.array(x)
    np.add.at(result, along(dim, x.ndim, index), np.asarray(source * alpha).astype(x.dtype))
    return result


def index_copy(x: Array, dim: int, index: Array, source: Any) -> Array:
    """Slices replaced."""
    result = np.array(x)
    result[along(dim, x.ndim, index)] = source
    return result


def put(x: Array, index: Array, source: Array, accumulate: bool = False) -> Array:
    """Elements replaced by their place in row-major order."""
    flat = index_put(x.reshape(-1), [index.reshape(-1)], source.reshape(-1), accumulate)
    return flat.reshape(x.shape)


def masked_select(x: Array, mask: Array) -> Array:
    """The elements where the mask holds."""
    return np.broadcast_arrays(x, mask)[0][np.broadcast_arrays(x, mask)[1]]


def masked_scatter(x: Array, mask: Array, source: Array) -> Array:
    """The source's elements, in order, where the mask holds."""
    result, held = (np.array(each) for each in np.broadcast_arrays(x, mask))
    result[held] = source.reshape(-1)[: int(held.sum())]
    return result


def take_along_dim(x: Array, indices: Array, dim: int | None = None) -> Array:
    """NumPy's function of a similar name."""
    if dim is None:
        return x.reshape(-1)[indices.reshape(-1)]
    return np.take_along_axis(x, indices, axis=dim)


def unfold(x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows along a dim; the window becomes the last dim."""
    if x.ndim == 0:
        return x.reshape(1)[:size]
    starts = range(0, x.shape[dimension] - size + 1, step)
    windows = [np.moveaxis(np.take(x, range(s, s + size), axis=dimension), dimension, -1) for s in starts]
    return np.stack(windows, axis=dimension % x.ndim)


def select_scatter(x: Array, src: Array, dim: int, index: int) -> Array:
    """One index along a dim replaced."""
    return index_copy(x, dim, np.asarray(index), src)


def slice_scatter(
    x: Array, src: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    """A slice replaced."""
    return index_copy(x, dim, slice(start, end, step), src)


def diagonal_scatter(x: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """A diagonal replaced."""
    result = np.array(x)
    moved = np.moveaxis(result, (dim1, dim2), (-2, -1))
    rows = np.arange(src.shape[-1]) + max(0, -offset)
    moved[..., rows, rows + offset] = src
    return result


def as_strided_scatter(
    x: Array, src: Array, size: Sequence[int], stride: Sequence[int], storage_offset: int = 0
) -> Array:
    """The elements that as_strided shows in a contiguous array, replaced."""
    places = np.full(tuple(size), storage_offset)
    for dim, (length, step) in enumerate(zip(size, stride, strict=True)):
        places += (np.arange(length) * step).reshape([-1 if d == dim else 1 for d in range(len(size))])
    return put(x, places, src)


def _put_samples(draw: Draw) -> Iterator[Sample]:
    rows, columns = np.array([0, 2, -1]), np.array([1, 3, 0])
    yield call(draw(5), (np.array([3, 1]),), draw(2))
    yield call(draw(3, 4), (np.array([2, 0]),), draw(2, 4))
    yield call(draw(3, 4), (rows[:2], columns[:2]), draw(2))
    yield call(draw(3, 4), (rows[:2, None], columns[:2]), draw(2, 2))
    yield call(draw(3, 4), (np.array([[0, 2]]),), draw(4))
    yield call(draw(3, 4), (np.array([[True, False, True, False]] * 3),), draw(6))
    yield call(draw(3, 4), (rows, columns), draw())
    yield call(draw(3, 4), (np.array([1, 1, 1]), columns), draw(3), True)
    yield call(draw(3, 4), (np.array([1, 1, 0]),), draw(3, 4), accumulate=True)
    yield call(draw(2, 3), (np.zeros(0, np.int64),), draw(0, 3))


def _add_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5), 0, np.array([0, 2, 0]), draw(3))
    yield call(draw(3, 4), 0, np.array([2, 2]), draw(2, 4))
    yield call(draw(3, 4), 1, np.array([3, 0, 3]), draw(3, 3), alpha=2)
    yield call(draw(2, 3, 4), -2, np.array([1]), draw(2, 1, 4))
    yield call(draw(3, 4), 0, np.zeros(0, np.int64), draw(0, 4))


def _copy_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5), 0, np.array([0, 2]), draw(2))
    yield call(draw(3, 4), 0, np.array([2, 0]), draw(2, 4))
    yield call(draw(2, 3, 4), 1, np.array([1, 2], dtype=np.int32), draw(2, 2, 4))
    yield call(draw(3, 4), -1, np.zeros(0, np.int64), draw(3, 0))


def _fill_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5), 0, np.array([0, 2]), 1)
    yield call(draw(3, 4), 1, np.array([2, -1]), 0)
    yield call(draw(3, 4), 0, np.array([1]), draw())
    yield call(draw(3, 4), 1, np.array([2, 0, 2]), draw())
    yield call(draw(), 0, np.array([0]), draw())


def _put_flat_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(3, 4), np.array([0, 7, -1]), draw(3))
    yield call(draw(3, 4), np.array([[0, 7], [7, 7]]), draw(2, 2), True)
    yield call(draw(), np.array([0]), draw(1))


def _mask_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(7), draw.mask(7))
    yield call(draw(3, 4), draw.mask(3, 4))
    yield call(draw(3, 4), draw.mask(4))
    yield call(draw(4), draw.mask(3, 1))
    yield call(draw(3, 4), np.zeros((3, 4), bool))
    yield call(draw(), np.ones((), bool))
    yield call(draw(0, 3), np.ones((0, 3), bool))
    yield call(draw(40, 50), draw.mask(40, 50), smooth=False)


def _masked_scatter_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(7), draw.mask(7), draw(9))
    yield call(draw(3, 4), draw.mask(3, 4), draw(4, 3))
    yield call(draw(3, 4), draw.mask(4), draw(12))
    yield call(draw(3, 4), np.zeros((3, 4), bool), draw(0))


def _take_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5), np.array([3, -1, 3]))
    yield call(draw(3, 4), np.array([[11, 0], [5, 5]]))
    yield call(draw(), np.array([0, 0]))
    yield call(draw(3, 4), np.zeros((0, 2), np.int64))


def _take_along_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(3, 4), draw.classes(3, 2, count=4), 1)
    yield call(draw(3, 4), draw.classes(1, 4, count=3), 0)
    yield call(draw(3, 1), draw.classes(2, 4, count=3), dim=0)
    yield call(draw(3, 4), draw.classes(2, 3, count=12))


def _nonzero_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((7,), (3, 4), (2, 3, 4), (), (0, 3)):
        yield call(draw(*shape) * draw.mask(*shape).astype(draw.dtype))


def _replaced(*calls: tuple[Any, ...], **options: Any) -> Any:
    def samples(draw: Draw) -> Iterator[Sample]:
        for shape, source, *rest in calls:
            yield call(draw(*shape), draw(*source), *rest, **options)

    return samples


def _copying(name: str, reference: Any, samples: Any, *wrong: Any, **options: Any) -> Row:
    return Row(name=name, reference=reference, samples=samples, bad=wrong, **{**MOVE, **options})


ONE = np.array([0])

ROWS = table(
    _copying(
        "index_put",
        index_put,
        _put_samples,
        bad(IndexError, ones(3, 4), (ones(1, **INDEX) * 3,), ones(4), words=("3", "dim 0")),
        bad(IndexError, ones(3, 4), (ones(2, **INDEX), ones(3, **INDEX)), ones(1)),
        bad(IndexError, ones(3), (ONE, ONE), ones(1)),
        bad(IndexError, ones(3), (ones(1),), ones(1)),
        bad(RuntimeError, ones(3), (ONE,), ones(5), words=("(5,)", "(1,)")),
        bad(RuntimeError, ones(3), (ONE,), ones(1, dtype="float64"), words=("float64",)),
        in_place=True,
    ),
    _copying(
        "index_add",
        index_add,
        _add_samples,
        bad(RuntimeError, ones(3, 4), 0, ONE, ones(2, 4), words=("(2, 4)",)),
        bad(IndexError, ones(3, 4), 0, ones(1, 1, **INDEX), ones(1, 4)),
        bad(IndexError, ones(3, 4), 0, ONE + 3, ones(1, 4), words=("3", "dim 0")),
        dtypes=NUMBERS,
        in_place=True,
    ),
    _copying(
        "index_copy",
        index_copy,
        _copy_samples,
        bad(RuntimeError, ones(3, 4), 0, ONE, ones(2, 4)),
        bad(RuntimeError, ones(3, 4), 0, ONE, ones(1, 4, dtype="float64"), words=("float64",)),
        bad(IndexError, ones(3, 4), 0, ONE + 7, ones(1, 4), words=("7", "dim 0")),
        in_place=True,
    ),
    _copying(
        "index_fill",
        index_copy,
        _fill_samples,
        bad(RuntimeError, ones(3), 0, ONE, ones(1)),
        bad(IndexError, ones(3), 0, ONE + 3, 1.0, words=("3", "dim 0")),
        in_place=True,
    ),
    _copying(
        "put",
        put,
        _put_flat_samples,
        bad(IndexError, ones(3), ONE, ones(2)),
        bad(IndexError, ones(3), ONE + 3, ones(1), words=("3",)),
        dtypes=NUMBERS,
        in_place=True,
    ),
    _copying(
        "masked_select",
        masked_select,
        _mask_samples,
        bad(RuntimeError, ones(3), ones(3), words=("bool",)),
        bad(RuntimeError, ones(3), ones(2, dtype="bool"), words=("(3,)", "(2,)")),
    ),
    _copying(
        "masked_scatter",
        masked_scatter,
        _masked_scatter_samples,
        bad(RuntimeError, ones(3), ones(3, dtype="bool"), ones(2)),
        bad(RuntimeError, ones(3), ones(3, dtype="bool"), ones(3, dtype="float64"), words=("float64",)),
        in_place=True,
    ),
    _copying(
        "take",
        lambda x, index: x.reshape(-1)[index],
        _take_samples,
        bad(IndexError, ones(3, 4), ONE + 12, words=("12",)),
        bad(RuntimeError, ones(3, 4), ones(2), words=("int64",)),
    ),
    _copying(
        "take_along_dim",
        take_along_dim,
        _take_along_samples,
        bad(RuntimeError, ones(3, 4), ONE, 0),
        bad(RuntimeError, ones(3, 4), ones(1, 1), 0, words=("int64",)),
        bad(RuntimeError, ones(3, 4), ones(2, 1, **INDEX), 1),
    ),
    _copying(
        "argwhere",
        lambda x: np.stack(np.nonzero(np.atleast_1d(x)), axis=1)[:, : x.ndim],
        _nonzero_samples,
        result="int64",
        gradient=False,
    ),
    Row(
        name="Tensor.unfold",
        reference=unfold,
        samples=over(((7,), 0, 3, 2), ((3, 5), 1, 2, 1), ((3, 5), -2, 2, 1), ((4,), 0, 4, 9), ((), 0, 1, 1)),
        forms=("Tensor",),
        **MOVE,
        bad=(
            bad(RuntimeError, ones(4), 0, 5, 1, words=("5", "4")),
            bad(RuntimeError, ones(4), 0, 2, 0, words=("step",)),
            bad(IndexError, ones(4), 1, 2, 1),
        ),
    ),
    _copying(
        "select_scatter",
        select_scatter,
        _replaced(((3, 4), (4,), 0, 1), ((3, 4), (3,), 1, -1), ((2, 3, 4), (2, 4), 1, 2), ((3,), (), 0, 0)),
        bad(RuntimeError, ones(3, 4), ones(3), 0, 1, words=("(3,)", "(4,)")),
        bad(IndexError, ones(3, 4), ones(4), 0, 3),
    ),
    _copying(
        "slice_scatter",
        slice_scatter,
        _replaced(((3, 4), (2, 4), 0, 1), ((3, 4), (3, 2), 1, 0, 4, 2), ((5,), (2,), 0, -2), ((5,), (5,))),
        bad(RuntimeError, ones(3, 4), ones(3, 4), 0, 1, words=("(3, 4)", "(2, 4)")),
    ),
    _copying(
        "diagonal_scatter",
        diagonal_scatter,
        _replaced(((3, 3), (3,)), ((3, 4), (3,), 1), ((3, 4), (2,), -1), ((2, 3, 4), (3, 2), 0, 0, 2)),
        bad(RuntimeError, ones(3, 3), ones(2), words=("(2,)", "(3,)")),
    ),
    Row(
        name="as_strided_scatter",
        reference=as_strided_scatter,
        samples=_replaced(((12,), (3, 2), (3, 2), (4, 1)), ((3, 4), (2, 2), (2, 2), (1, 5), 3)),
        **{**MOVE, "dtypes": FLOATS},
        reshapes=False,
        bad=(
            bad(RuntimeError, ones(4), ones(3), (2,), (1,)),
            bad(RuntimeError, ones(4), ones(3), (3,), (0,), words=("more than once",)),
        ),
    ),
)
