"""Rows: products of vectors, matrices and batches of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .rows import FLOATS, NUMBERS, Array, Draw, Row, Sample, bad, call, ones, table

PRODUCT: dict[str, Any] = {"dtypes": NUMBERS, "scale": "absolute", "result": "same"}
FLOATING: dict[str, Any] = {"dtypes": FLOATS, "scale": "absolute", "result": "same"}

MATMUL_SHAPES = (
    ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((3, 4), (4, 5)), ((1, 1), (1, 1)), ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)),
    ((0, 4), (4, 5)), ((3, 0), (0, 5)), ((3, 4), (4, 0)), ((0, 3, 4), (0, 4, 5)), ((0,), (0,)), ((17, 33),
    (33, 19)), ((65, 70), (70, 3)), ((128, 64), (64, 10)),
)  # fmt: skip


def _pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    def samples(draw: Draw) -> Iterator[Sample]:
        for a, b in shapes:
            yield call(draw(*a), draw(*b))

    return samples


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x times the transpose of weight, plus bias."""
    result = x @ weight.T
    return np.asarray(result if bias is None else result + bias)


def addmm(x: Array, a: Array, b: Array, beta: float = 1, alpha: float = 1) -> Array:
    """beta x + alpha (a b)."""
    return np.asarray(beta * x + alpha * (a @ b))


def tensordot(a: Array, b: Array, dims: Any = 2) -> Array:
    """Contraction of the last dims of a with the first of b, or of the listed dims."""
    return np.asarray(np.tensordot(a, b, axes=dims))


def _linear_samples(draw: Draw) -> Iterator[Sample]:
    for shape, features in (((4,), 3), ((5, 4), 3), ((2, 5, 4), 3), ((0, 4), 3), ((5, 4), 1), ((40, 33), 17)):
        yield call(draw(*shape), draw(features, shape[-1]))
        yield call(draw(*shape), draw(features, shape[-1]), draw(features))
    yield call(draw(5, 4), draw(4))


def _addmm_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((3, 5), (5,), (3, 1), (1, 5), ()):
        yield call(draw(*shape), draw(3, 4), draw(4, 5))
    yield call(draw(3, 5), draw(3, 4), draw(4, 5), beta=2, alpha=3)
    yield call(draw(3, 5), draw(3, 0), draw(0, 5))
    yield call(draw(5), draw(0, 4), draw(4, 5))
    if draw.floating:
        yield call(draw(3, 5), draw(3, 4), draw(4, 5), beta=0.5, alpha=-1.5)


def _addmv_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((3,), (1,), ()):
        yield call(draw(*shape), draw(3, 4), draw(4))
    yield call(draw(3), draw(3, 4), draw(4), beta=2, alpha=3)
    yield call(draw(3), draw(3, 0), draw(0))


def _baddbmm_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((2, 3, 5), (3, 5), (5,), (2, 1, 5)):
        yield call(draw(*shape), draw(2, 3, 4), draw(2, 4, 5))
    yield call(draw(2, 3, 5), draw(2, 3, 4), draw(2, 4, 5), beta=2, alpha=3)


def _einsum_samples(draw: Draw) -> Iterator[Sample]:
    one, two = draw(3, 4), draw(4, 5)
    square, batch = draw(4, 4), draw(2, 3, 4)
    yield call("ij->ji", one)
    yield call("ij", one)
    yield call("ji", one)
    yield call("ij->", one)
    yield call("ij->i", one)
    yield call("ii->i", square)
    yield call("ii", square)
    yield call("ij,jk->ik", one, two)
    yield call("ij,jk", one, two)
    yield call("i,j->ij", draw(3), draw(4))
    yield call("i,i->", draw(5), draw(5))
    yield call("ij,ij->ij", one, draw(3, 4))
    yield call("ij,ij->", one, draw(3, 4))
    yield call("bij,bjk->bik", batch, draw(2, 4, 5))
    yield call("bij,kj->bik", batch, draw(5, 4))
    yield call("...ij,...jk->...ik", batch, two)
    yield call("...i->...", batch)
    yield call("bn,anm,bm->ba", draw(2, 3), draw(5, 3, 4), draw(2, 4))
    yield call("ij,jk,kl->il", one, two, draw(5, 2))
    yield call(" i j , j k -> i k ", one, two)
    yield call("ij,jk->ik", draw(0, 4), two)


def _tensordot_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(3, 4, 5), draw(4, 5, 2), dims=2)
    yield call(draw(3, 4), draw(4, 5), dims=1)
    yield call(draw(3), draw(4), dims=0)
    yield call(draw(3, 4, 5), draw(4, 3, 2), dims=([1, 0], [0, 1]))


def _outer_samples(draw: Draw) -> Iterator[Sample]:
    for n, m in ((3, 4), (1, 1), (0, 3), (33, 17)):
        yield call(draw(n), draw(m))


ROWS = table(
    Row(
        name="matmul",
        reference=np.matmul,
        samples=_pairs(*MATMUL_SHAPES),
        **PRODUCT,
        bad=(
            bad(RuntimeError, ones(2, 3), ones(2, 3), words=("(2, 3)",)),
            bad(RuntimeError, ones(3), ones(4), words=("(3)", "(4)")),
            bad(RuntimeError, ones(2, 3), ones(4), words=("(2, 3)", "(4)")),
            bad(RuntimeError, ones(2, 3, 4), ones(3, 4, 5), words=("(2, 3, 4)", "(3, 4, 5)")),
            bad(RuntimeError, ones(), ones(2), words=("(2)",)),
            bad(RuntimeError, ones(2, 3), ones(3, 2, dtype="float64"), words=("float32", "float64")),
        ),
    ),
    Row(
        name="mm",
        reference=np.matmul,
        **PRODUCT,
        samples=_pairs(
            ((3, 4), (4, 5)), ((1, 1), (1, 1)), ((0, 4), (4, 5)), ((3, 0), (0, 5)), ((17, 33), (33, 19))
        ),
        bad=(
            bad(RuntimeError, ones(2, 3), ones(2, 3), words=("(2, 3)",)),
            bad(RuntimeError, ones(2, 3), ones(3), words=("(3)",)),
            bad(RuntimeError, ones(2, 2, 3), ones(3, 2), words=("(2, 2, 3)",)),
            bad(RuntimeError, ones(2, 3), ones(3, 2, dtype="int64"), words=("float32", "int64")),
        ),
    ),
    Row(
        name="bmm",
        reference=np.matmul,
        **PRODUCT,
        samples=_pairs(
            ((2, 3, 4), (2, 4, 5)),
            ((1, 1, 1), (1, 1, 1)),
            ((0, 3, 4), (0, 4, 5)),
            ((2, 3, 0), (2, 0, 5)),
            ((5, 17, 9), (5, 9, 11)),
        ),
        bad=(
            bad(RuntimeError, ones(2, 3, 4), ones(3, 4, 5), words=("(2, 3, 4)", "(3, 4, 5)")),
            bad(RuntimeError, ones(2, 3, 4), ones(2, 3, 4), words=("(2, 3, 4)",)),
            bad(RuntimeError, ones(3, 4), ones(4, 5), words=("(3, 4)",)),
        ),
    ),
    Row(
        name="mv",
        reference=np.matmul,
        **PRODUCT,
        samples=_pairs(((3, 4), (4,)), ((1, 1), (1,)), ((0, 4), (4,)), ((3, 0), (0,)), ((37, 65), (65,))),
        bad=(
            bad(RuntimeError, ones(2, 3), ones(2), words=("(2, 3)", "(2)")),
            bad(RuntimeError, ones(2, 3), ones(3, 1), words=("(3, 1)",)),
        ),
    ),
    Row(
        name="dot",
        reference=np.dot,
        **PRODUCT,
        samples=_pairs(((4,), (4,)), ((1,), (1,)), ((0,), (0,)), ((131,), (131,))),
        bad=(
            bad(RuntimeError, ones(2), ones(3), words=("2", "3")),
            bad(RuntimeError, ones(2, 2), ones(2), words=("(2, 2)",)),
            bad(RuntimeError, ones(2), ones(2, dtype="float64"), words=("float32", "float64")),
        ),
    ),
    Row(
        name="outer",
        reference=np.multiply.outer,
        samples=_outer_samples,
        **{**PRODUCT, "scale": "element"},
        bad=(bad(RuntimeError, ones(2, 2), ones(2), words=("(2, 2)",)),),
    ),
    Row(
        name="linear",
        reference=linear,
        samples=_linear_samples,
        forms=("nn.functional",),
        **FLOATING,
        bad=(
            bad(RuntimeError, ones(5, 4), ones(3, 5), words=("(5, 4)", "(3, 5)")),
            bad(RuntimeError, ones(5, 4), ones(3, 4), ones(4), words=("(4)",)),
            bad(RuntimeError, ones(5, 4), ones(3, 4, dtype="float64"), words=("float32", "float64")),
            bad(TypeError, ones(5, 4)),
        ),
    ),
    Row(
        name="addmm",
        reference=addmm,
        samples=_addmm_samples,
        in_place=False,
        **PRODUCT,
        bad=(
            bad(RuntimeError, ones(3, 5), ones(3, 4), ones(3, 5), words=("(3, 4)", "(3, 5)")),
            bad(RuntimeError, ones(4, 5), ones(3, 4), ones(4, 5), words=("(4, 5)",)),
            bad(RuntimeError, ones(3, 5), ones(3), ones(3, 5), words=("(3)",)),
        ),
    ),
    Row(
        name="addmv",
        reference=addmm,
        samples=_addmv_samples,
        **PRODUCT,
        bad=(
            bad(RuntimeError, ones(3), ones(3, 4), ones(3), words=("(3, 4)", "(3)")),
            bad(RuntimeError, ones(4), ones(3, 4), ones(4), words=("(4)",)),
        ),
    ),
    Row(
        name="baddbmm",
        reference=addmm,
        samples=_baddbmm_samples,
        in_place=False,
        **FLOATING,
        bad=(
            bad(RuntimeError, ones(2, 3, 5), ones(2, 3, 4), ones(2, 3, 5), words=("(2, 3, 4)", "(2, 3, 5)")),
            bad((RuntimeError, IndexError), ones(2, 3, 5), ones(3, 4), ones(4, 5), words=("(3, 4)",)),
        ),
    ),
    Row(
        name="einsum",
        reference=np.einsum,
        samples=_einsum_samples,
        forms=("torch",),
        **{**PRODUCT, "dtypes": ("int64", *FLOATS)},
        bad=(
            bad(RuntimeError, "ij,jk->ik", ones(2, 3), ones(2, 3), words=("j",)),
            bad(RuntimeError, "ij->ij", ones(3)),
            bad(RuntimeError, "ij,jk->ik", ones(2, 3)),
            bad(RuntimeError, "i->j", ones(3), words=("j",)),
            bad(RuntimeError, "i1->i", ones(3, 2)),
            bad(RuntimeError, "ij->ii", ones(3, 2)),
        ),
    ),
    Row(
        name="tensordot",
        reference=tensordot,
        samples=_tensordot_samples,
        forms=("torch",),
        **PRODUCT,
        bad=(
            bad(RuntimeError, ones(2, 3), ones(2, 3), dims=1, words=("3", "2")),
            bad(RuntimeError, ones(2, 3), ones(2, 3), dims=-1),
        ),
    ),
)
