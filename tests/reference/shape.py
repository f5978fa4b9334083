"""Rows: views, joins, splits and the other operations that move elements without computing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .rows import ALL, EXACT, Array, Draw, Row, Sample, Samples, bad, call, ones, table

MOVE: dict[str, Any] = {"dtypes": ALL, "rtol": EXACT, "native": True}
VIEW: dict[str, Any] = {**MOVE, "view": True}


def over(*calls: tuple[Any, ...], **options: Any) -> Samples:
    """Samples (x, *rest) from tuples (shape, *rest)."""

    def samples(draw: Draw) -> Iterator[Sample]:
        for shape, *rest in calls:
            yield call(draw(*shape), *rest, **options)

    return samples


def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The dims from start_dim to end_dim as one."""
    if x.ndim == 0:
        return x.reshape(1)
    start, end = start_dim % x.ndim, end_dim % x.ndim
    size = int(np.prod(x.shape[start : end + 1]))
    return x.reshape((*x.shape[:start], size, *x.shape[end + 1 :]))


def unflatten(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    """One dim as several."""
    dim %= x.ndim
    known = -int(np.prod(list(sizes)))
    return x.reshape(
        *x.shape[:dim], *(x.shape[dim] // known if s == -1 else s for s in sizes), *x.shape[dim + 1 :]
    )


def squeeze(x: Array, dim: Any = None) -> Array:
    """Without the dims of size one (all, or those listed; the others stay)."""
    if dim is None:
        return x.squeeze()
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return x.squeeze(tuple(d for d in dims if x.ndim and x.shape[d] == 1))


def split(x: Array, size: int | list[int], dim: int = 0) -> list[Array]:
    """Pieces of the given size (the last may be smaller) or of the listed sizes."""
    if isinstance(size, int):
        length = x.shape[dim]
        sizes = [min(size, length - start) for start in range(0, length, size)] if length else [0]
    else:
        sizes = size
    return np.split(x, np.cumsum(sizes)[:-1], axis=dim)


def chunk(x: Array, chunks: int, dim: int = 0) -> list[Array]:
    """At most `chunks` pieces of equal size, rounded up."""
    length = x.shape[dim]
    size = max(1, -(-length // chunks))
    return split(x, size, dim) if length else [x] * chunks


def expand(x: Array, sizes: Sequence[int]) -> Array:
    """Broadcast; -1 keeps a size."""
    lead = len(sizes) - x.ndim
    return np.broadcast_to(x, [x.shape[i - lead] if s == -1 else s for i, s in enumerate(sizes)])


def narrow(x: Array, dim: int, start: int, length: int) -> Array:
    """`length` elements of dim from start."""
    dim %= x.ndim
    start %= max(x.shape[dim], 1)
    return x[(slice(None),) * dim + (slice(start, start + length),)]


def _many(tensors: Callable[[Draw], Sequence[Sequence[Array]]], *dims: int) -> Samples:
    def samples(draw: Draw) -> Iterator[Sample]:
        for group in tensors(draw):
            yield call(list(group))
            for dim in dims:
                yield call(list(group), dim)

    return samples


def _cat_samples(draw: Draw) -> Iterator[Sample]:
    yield call([draw(3), draw(2), draw(4)])
    yield call([draw(2, 3), draw(1, 3)], 0)
    yield call([draw(2, 3), draw(2, 5)], 1)
    yield call([draw(2, 3), draw(2, 5)], dim=-1)
    yield call((draw(2, 3),))
    yield call([draw(2, 0), draw(2, 3)], 1)
    yield call([draw(2, 3, 4), draw(2, 3, 4)], 1)
    yield call([draw(2, 3), draw(2, 3, dtype="float64")])
    yield call([draw(33, 5), draw(33, 70)], 1)


def _stack_samples(draw: Draw) -> Iterator[Sample]:
    yield call([draw(), draw()])
    for dim in (0, 1, 2, -1, -3):
        yield call([draw(2, 3), draw(2, 3), draw(2, 3)], dim)
    yield call((draw(0, 2), draw(0, 2)), 1)


def _joined(sample: Sample) -> str:
    from .promotion import promote

    dtype = "bool"
    for array in sample.args[0]:
        dtype = promote(dtype, str(array.dtype))
    return dtype


def joining_row(name: str) -> Row:
    """cat under one of its other names."""
    return Row(
        name=name,
        reference=lambda arrays, dim=0: np.asarray(np.concatenate(arrays, axis=dim)),
        samples=_cat_samples,
        **{**MOVE, "forms": ("torch",), "result": _joined},
        bad=(bad(RuntimeError, [ones(2, 3), ones(3, 4)], words=("(2, 3)", "(3, 4)")),),
    )


def _joins_and_splits() -> tuple[Row, ...]:
    def list_of(function: Callable[..., Any]) -> Callable[..., Array]:
        return lambda arrays, dim=0: np.asarray(function(arrays, axis=dim))

    join: dict[str, Any] = {**MOVE, "forms": ("torch",), "result": _joined}
    return (
        Row(
            name="cat",
            reference=list_of(np.concatenate),
            samples=_cat_samples,
            **join,
            bad=(
                bad(RuntimeError, [ones(2, 3), ones(3, 4)], words=("(2, 3)", "(3, 4)")),
                bad(RuntimeError, [ones(2, 3), ones(3)], words=("(2, 3)", "(3)")),
                bad(IndexError, [ones(2, 3), ones(2, 3)], 2, words=("2",)),
                bad(ValueError, []),
                bad(TypeError, [ones(2), 1.0]),
                bad(TypeError, 3),
            ),
        ),
        Row(
            name="stack",
            reference=list_of(np.stack),
            samples=_stack_samples,
            **join,
            bad=(
                bad(RuntimeError, [ones(2, 3), ones(3, 2)], words=("(2, 3)", "(3, 2)")),
                bad(IndexError, [ones(2, 3)], 3, words=("3",)),
                bad(RuntimeError, []),
                bad(TypeError, [ones(2), None]),
            ),
        ),
        Row(
            name="split_with_sizes",
            reference=split,
            **VIEW,
            samples=over(((6, 4), [1, 2, 3]), ((6, 4), [4, 0], 1), ((6, 4), [1, 3], -1)),
        ),
        Row(
            name="split",
            reference=split,
            **VIEW,
            samples=over(
                ((7,), 3),
                ((7,), 7),
                ((7,), 9),
                ((6, 4), 2),
                ((6, 4), 3, 1),
                ((6, 4), [1, 2, 3]),
                ((6, 4), [4, 0], 1),
                ((6, 4), [1, 3], -1),
                ((0, 3), 2),
            ),
            bad=(
                bad(RuntimeError, ones(6), [1, 2], words=("6",)),
                bad(RuntimeError, ones(6), -1, words=("-1",)),
                bad(IndexError, ones(6), 2, 1, words=("1",)),
                bad(TypeError, ones(6), "two"),
            ),
        ),
        Row(
            name="chunk",
            reference=chunk,
            **VIEW,
            samples=over(((7,), 3), ((6, 4), 2), ((6, 4), 4, 1), ((6, 4), 5, 0), ((2, 3), 7, -1)),
            bad=(
                bad(RuntimeError, ones(6), 0, words=("0",)),
                bad(IndexError, ones(6), 2, 1, words=("1",)),
            ),
        ),
        Row(
            name="unbind",
            reference=lambda x, dim=0: list(np.moveaxis(x, dim, 0)),
            **VIEW,
            samples=over(((3,),), ((2, 3), 1), ((2, 3, 4), -1), ((2, 0), 0)),
            bad=(
                bad(IndexError, ones(2), 1, words=("1",)),
                bad(IndexError, ones(), 0),
            ),
        ),
    )


def _view_rows() -> tuple[Row, ...]:
    resize = (
        ((6,), (2, 3)),
        ((2, 3), (6,)),
        ((2, 3), (3, -1)),
        ((2, 3), (-1,)),
        ((), (1, 1)),
        ((1,), ()),
        ((0, 3), (3, 0)),
        ((2, 3, 4), (6, 4)),
        ((2, 3, 4), (2, 12)),
    )
    bad_sizes = (
        bad(RuntimeError, ones(2, 3), (4, 2), words=("(2, 3)", "(4, 2)")),
        bad(RuntimeError, ones(2, 3), (-1, -1), words=("-1",)),
        bad(RuntimeError, ones(2, 3), (-1, 4), words=("(2, 3)",)),
        bad(RuntimeError, ones(2, 3), (-2, 3), words=("-2",)),
        bad(TypeError, ones(2, 3), (2.0, 3.0)),
        bad(TypeError, ones(2, 3), "six"),
    )
    pair = (
        bad(IndexError, ones(2, 3), 0, 2, words=("2",)),
        bad(IndexError, ones(2, 3), -3, 0, words=("-3",)),
    )
    return (
        Row(name="reshape", reference=np.reshape, samples=over(*resize), bad=bad_sizes, **VIEW),
        Row(
            name="view",
            reference=np.reshape,
            samples=over(*resize),
            forms=("Tensor",),
            bad=bad_sizes,
            reshapes=False,
            **VIEW,
        ),
        Row(
            name="transpose",
            reference=np.swapaxes,
            bad=pair,
            **VIEW,
            samples=over(((2, 3), 0, 1), ((2, 3, 4), 0, -1), ((2, 3, 4), 1, 1), ((0, 3), 1, 0)),
        ),
        Row(
            name="swapaxes",
            reference=np.swapaxes,
            bad=pair,
            like="transpose",
            **VIEW,
            samples=over(((2, 3), 0, 1), ((2, 3, 4), 0, -1)),
        ),
        Row(
            name="permute",
            reference=np.transpose,
            **VIEW,
            samples=over(
                ((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (-1, 0, 1)), ((), ()), ((3,), (0,))
            ),
            bad=(
                bad(RuntimeError, ones(2, 3), (0,), words=("(2, 3)",)),
                bad(RuntimeError, ones(2, 3), (0, 0), words=("0",)),
                bad(IndexError, ones(2, 3), (0, 2), words=("2",)),
            ),
        ),
        Row(
            name="t",
            reference=np.transpose,
            samples=over(((2, 3),), ((3,),), ((),)),
            **VIEW,
            bad=(bad(RuntimeError, ones(2, 3, 4), words=("(2, 3, 4)",)),),
        ),
        Row(
            name="movedim",
            reference=np.moveaxis,
            **VIEW,
            samples=over(((2, 3, 4), 0, 2), ((2, 3, 4), -1, 0), ((2, 3, 4), (0, 1), (1, 2))),
            bad=(
                bad(IndexError, ones(2, 3), 0, 2, words=("2",)),
                bad(RuntimeError, ones(2, 3), (0, 1), (0,)),
                bad(RuntimeError, ones(2, 3), (0, 0), (0, 1)),
            ),
        ),
        Row(
            name="squeeze",
            reference=squeeze,
            **VIEW,
            samples=over(
                ((1, 3, 1),), ((1, 3, 1), 0), ((1, 3, 1), 1), ((1, 3, 1), -1), ((1, 3, 1), (0, 2)), ((),)
            ),
            bad=(bad(IndexError, ones(2, 1), 2, words=("2",)), bad(TypeError, ones(2, 1), "last")),
        ),
        Row(
            name="unsqueeze",
            reference=np.expand_dims,
            **VIEW,
            samples=over(((2, 3), 0), ((2, 3), 1), ((2, 3), 2), ((2, 3), -1), ((2, 3), -3), ((), 0)),
            bad=(
                bad(IndexError, ones(2, 3), 3, words=("3",)),
                bad(IndexError, ones(2, 3), -4, words=("-4",)),
                bad(TypeError, ones(2, 3)),
            ),
        ),
        Row(
            name="flatten",
            reference=flatten,
            **VIEW,
            samples=over(
                ((2, 3, 4),),
                ((2, 3, 4), 1),
                ((2, 3, 4), 0, 1),
                ((2, 3, 4), -2, -1),
                ((),),
                ((3,),),
                ((0, 3),),
            ),
            bad=(bad(IndexError, ones(2, 3), 2, words=("2",)), bad(RuntimeError, ones(2, 3), 1, 0)),
        ),
        Row(
            name="unflatten",
            reference=unflatten,
            **VIEW,
            samples=over(
                ((6, 2), 0, (2, 3)), ((6, 2), 0, (3, -1)), ((2, 6), -1, (2, 3)), ((2, 6), 1, (1, 6, 1))
            ),
            bad=(bad(RuntimeError, ones(6, 2), 0, (4, 2), words=("6",)), bad(IndexError, ones(6), 1, (2, 3))),
        ),
        Row(
            name="expand",
            reference=expand,
            forms=("Tensor",),
            **VIEW,
            samples=over(
                ((1, 3), (2, 3)),
                ((3,), (2, 3)),
                ((2, 1), (-1, 4)),
                ((), (2, 2)),
                ((1,), (0,)),
                ((1, 3), (4, 2, 3)),
            ),
            bad=(
                bad(RuntimeError, ones(2, 3), (4, 3), words=("(2, 3)", "(4, 3)")),
                bad(RuntimeError, ones(2, 3), (3,), words=("(2, 3)",)),
                bad(RuntimeError, ones(3), (-1, 3), words=("-1",)),
            ),
        ),
        Row(
            name="broadcast_to",
            reference=np.broadcast_to,
            **VIEW,
            samples=over(((1, 3), (2, 3)), ((3,), (2, 3)), ((), (2, 2)), ((1,), (0,))),
            bad=(bad(RuntimeError, ones(2, 3), (4, 3), words=("(2, 3)", "(4, 3)")),),
        ),
        Row(
            name="select",
            reference=lambda x, dim, index: np.take(x, index, axis=dim),
            **VIEW,
            samples=over(((3,), 0, 1), ((2, 3), 0, 1), ((2, 3), 1, -1), ((2, 3, 4), -2, 0)),
            bad=(
                bad(IndexError, ones(2, 3), 0, 2, words=("2",)),
                bad(IndexError, ones(2, 3), 1, -4, words=("-4",)),
                bad(IndexError, ones(2, 3), 2, 0, words=("2",)),
                bad(IndexError, ones(), 0, 0),
            ),
        ),
        Row(
            name="narrow",
            reference=narrow,
            **VIEW,
            samples=over(
                ((5,), 0, 1, 3),
                ((2, 5), 1, 0, 2),
                ((2, 5), -1, -2, 2),
                ((2, 5), 1, 3, 0),
                ((5,), 0, 5, 0)[:0] or ((5,), 0, 0, 5),
            ),
            bad=(
                bad(RuntimeError, ones(5), 0, 3, 3, words=("3", "5")),
                bad(RuntimeError, ones(5), 0, 0, -1, words=("-1",)),
                bad(IndexError, ones(5), 1, 0, 1, words=("1",)),
                bad(IndexError, ones(5), 0, 6, 0, words=("6",)),
            ),
        ),
        Row(
            name="diagonal",
            reference=lambda x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
            **VIEW,
            samples=over(
                ((3, 3),),
                ((3, 4), 1),
                ((3, 4), -2),
                ((2, 3, 4), 0, 1, 2),
                ((2, 3, 4), 0, -1, 0),
                ((3, 4), 4)[:2],
            ),
            bad=(bad(IndexError, ones(3), words=()), bad(RuntimeError, ones(3, 3), 0, 1, 1, words=("1",))),
        ),
    )


def _copying_rows() -> tuple[Row, ...]:
    triangles = over(
        ((3, 3),),
        ((3, 5), 1),
        ((3, 5), -1),
        ((5, 3), 2),
        ((2, 3, 4),),
        ((2, 3, 4), -9),
        ((0, 3),),
        ((40, 41),),
    )
    matrix = (bad(RuntimeError, ones(3), words=("(3)",)), bad(TypeError, ones(3, 3), "up"))
    return (
        Row(
            name="contiguous",
            reference=np.array,
            forms=("Tensor",),
            samples=over(((),), ((3,),), ((2, 3, 4),), ((0, 3),)),
            **MOVE,
        ),
        Row(name="clone", reference=np.array, samples=over(((),), ((3,),), ((2, 3, 4),), ((0, 3),)), **MOVE),
        Row(
            name="flip",
            reference=lambda x, dims: np.flip(x, dims),
            **MOVE,
            samples=over(
                ((5,), (0,)),
                ((2, 3), (1,)),
                ((2, 3), (0, 1)),
                ((2, 3, 4), (-1, 0)),
                ((0, 3), (0,)),
                ((2, 3), ()),
            ),
            bad=(
                bad(IndexError, ones(2, 3), (2,), words=("2",)),
                bad(RuntimeError, ones(2, 3), (0, 0), words=("0",)),
            ),
        ),
        Row(name="tril", reference=np.tril, samples=triangles, in_place=False, bad=matrix, **MOVE),
        Row(name="triu", reference=np.triu, samples=triangles, in_place=False, bad=matrix, **MOVE),
    )


ROWS = table(*_joins_and_splits(), *_view_rows(), *_copying_rows())
