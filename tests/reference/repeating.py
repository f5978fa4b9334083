"""Rows: copies that repeat or shift elements, matrices made from diagonals, and functions of bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .rows import ALL, EXACT, FLOATS, INTEGERS, Array, Draw, Row, Sample, bad, binary, call, ones, table

COPY: dict[str, Any] = {"dtypes": ALL, "rtol": EXACT, "native": True}


def over(*cases: tuple[Any, ...]) -> Any:
    """Samples from (shape, arguments...)."""

    def samples(draw: Draw) -> Iterator[Sample]:
        for shape, *rest in cases:
            yield call(draw(*shape), *rest)

    return samples


def diagonal_of(x: Array, diagonal: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix of a diagonal."""
    return np.diag(x, diagonal)


def diag_embed(x: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """Each last-dimension vector on a diagonal of two new dimensions."""
    side = x.shape[-1] + abs(offset)
    whole = np.zeros((*x.shape[:-1], side, side), dtype=x.dtype)
    i = np.arange(x.shape[-1])
    whole[..., i + max(0, -offset), i + max(0, offset)] = x
    return np.moveaxis(whole, (-2, -1), (dim1, dim2))


def _integers(draw: Draw) -> Iterator[Sample]:
    for a, b in (((), ()), ((5,), (5,)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((0,), (1,)), ((33, 9), (33, 9))):
        yield call(draw(*a, low=-40, high=40), draw(*b, low=-40, high=40))
    yield call(draw(3, 4, low=-40, high=40), draw(low=-40, high=40))


def _shifts(draw: Draw) -> Iterator[Sample]:
    for shape in ((), (5,), (3, 4), (0,)):
        yield call(draw(*shape, low=-40, high=40), draw(*shape, low=0, high=5))
    yield call(draw(3, 4, low=-40, high=40), 2)


def _neighbours(draw: Draw) -> Iterator[Sample]:
    for shape in ((), (5,), (3, 4), (0,), (37,)):
        yield call(draw(*shape), draw(*shape))
    yield call(
        np.array([0, 0, 1, np.inf, np.nan], draw.dtype), np.array([1, -1, 1, 0, 0], draw.dtype), smooth=False
    )


BITS: dict[str, Any] = {"dtypes": INTEGERS, "native": True, "gradient": False, "samples": _integers}

ROWS = table(
    Row(
        name="repeat",
        reference=lambda x, *counts: np.tile(x, counts[0] if isinstance(counts[0], tuple) else counts),
        samples=over(
            ((2, 3), 2, 1), ((2, 3), (1, 3)), ((3,), 2, 2), ((), 3), ((2, 3), 0, 2), ((2, 1, 3), (2, 1, 1, 2))
        ),
        forms=("Tensor",),
        **COPY,
        bad=(bad(RuntimeError, ones(2, 3), 2), bad(RuntimeError, ones(2), -1)),
    ),
    Row(
        name="tile",
        reference=lambda x, *counts: np.tile(x, counts[0] if isinstance(counts[0], tuple) else counts),
        samples=over(((2, 3), (2,)), ((2, 3), (2, 1)), ((3,), (2, 2)), ((), (3,)), ((2, 3), ())),
        **COPY,
    ),
    Row(
        name="roll",
        reference=lambda x, shifts, dims=None: np.roll(x, shifts, dims),
        samples=over(
            ((7,), 2),
            ((3, 5), -4),
            ((3, 5), 1, 1),
            ((3, 5), (1, 7), (0, 1)),
            ((3, 5), (1, 1), (0, 0)),
            ((0, 3), 1, 0),
        ),
        **COPY,
        bad=(bad(IndexError, ones(2, 3), 1, 2), bad(RuntimeError, ones(2, 3), (1, 2), (0,))),
    ),
    Row(
        name="diag",
        reference=diagonal_of,
        samples=over(((3,),), ((3,), 1), ((3,), -2), ((3, 4),), ((3, 4), 1), ((4, 2), -1), ((0,),)),
        **COPY,
        bad=(bad(RuntimeError, ones(2, 2, 2)),),
    ),
    Row(
        name="diag_embed",
        reference=diag_embed,
        samples=over(((3,),), ((2, 3),), ((2, 3), 1), ((2, 3), -2), ((2, 3), 0, 0, 2), ((2, 3), 1, 0, 1)),
        **COPY,
        bad=(bad(RuntimeError, ones(2), 0, 1, 1), bad(IndexError, ones(2), 0, 2, 1)),
    ),
    Row(
        name="diagflat",
        reference=lambda x, offset=0: np.diagflat(x, offset),
        samples=over(((3,),), ((2, 2),), ((2, 2), 1), ((3,), -2), ((),)),
        **COPY,
    ),
    binary("gcd", np.gcd, **BITS),
    binary("lcm", np.lcm, **{**BITS, "dtypes": ("int32", "int64")}),
    binary("bitwise_left_shift", np.left_shift, **{**BITS, "samples": _shifts}),
    binary("bitwise_right_shift", np.right_shift, **{**BITS, "samples": _shifts}),
    binary("nextafter", np.nextafter, dtypes=FLOATS, rtol=EXACT, native=True, samples=_neighbours),
)
