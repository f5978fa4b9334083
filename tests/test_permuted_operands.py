"""Operands whose memory runs in another order than their dimensions: tiles, bands and groups."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unspool as us

Array = npt.NDArray[Any]

# Around the sides of transposed blocks (4, 8, 16), of bands (16, 23, 24) and of whole tiles.
SHAPES = ((3, 8, 7), (9, 16, 4), (23, 5, 24), (17, 31, 8), (40, 2, 135), (8, 1, 300))
PERMUTATIONS = tuple(itertools.permutations(range(3)))
DTYPES = (us.float32, us.float64, us.int64, us.int32, us.uint8, us.bool)


def whole_numbers(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Small integers as float64."""
    return np.random.default_rng(seed).integers(0, 50, shape).astype(np.float64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_elementwise_operations_and_copies(shape: tuple[int, ...], dtype: us.dtype) -> None:
    x = us.tensor(whole_numbers(shape)).to(dtype)
    for order in PERMUTATIONS:
        view = x.permute(order)
        dense = us.tensor(view.numpy().copy())
        row, column = dense[:1, :1], dense[:, :, :1]
        assert view.contiguous().equal(dense)
        assert (view == dense).all()
        assert view.maximum(view).equal(dense)
        assert view.logical_xor(dense).equal(us.zeros(dense.shape, dtype=us.bool))
        for other in (row, column, dense[:1, :1, :1], dense.permute(2, 1, 0).contiguous().permute(2, 1, 0)):
            assert us.maximum(view, other).equal(us.maximum(dense, other))
            assert us.where(view > 20, other, view).equal(us.where(dense > 20, other, dense))
            assert us.where(dense > 20, view, other).equal(us.where(dense > 20, dense, other))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_in_place_results_that_are_permuted(shape: tuple[int, ...]) -> None:
    for order in PERMUTATIONS:
        x = us.tensor(whole_numbers(shape))
        view = x.permute(order)
        other = us.tensor(whole_numbers(tuple(view.shape), seed=1))
        expected = view.numpy() * 2 - other.numpy()
        view.mul_(2).sub_(other)
        np.testing.assert_array_equal(view.numpy(), expected)


REDUCTIONS: dict[str, Callable[..., us.Tensor]] = {
    "sum": us.sum,
    "amax": us.amax,
    "logsumexp": us.logsumexp,
    "var": lambda x, dims: us.var(x, dims, correction=0),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape", [*SHAPES, (40, 70, 33), (33, 6, 1100)], ids=str)
def test_reductions_have_the_bits_of_a_row_major_input(name: str, shape: tuple[int, ...]) -> None:
    x = us.tensor(np.random.default_rng(2).standard_normal(shape).astype(np.float32))
    for order in PERMUTATIONS:
        view = x.permute(order)
        dense = view.contiguous()
        for dims in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2)):
            reduce = REDUCTIONS[name]
            assert reduce(view, dims).equal(reduce(dense, dims)), (order, dims)


def test_reductions_of_permuted_slices_with_gaps() -> None:
    x = us.tensor(np.random.default_rng(3).standard_normal((12, 20, 30, 10)).astype(np.float32))
    part = x[1:11, ::2, 3:, 1:9]
    for order in itertools.permutations(range(4)):
        view = part.permute(order)
        dense = view.contiguous()
        for dims in ((0,), (1,), (3,), (1, 2), (0, 3), (0, 1, 2)):
            assert view.sum(dims).equal(dense.sum(dims)), (order, dims)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_number_of_threads_changes_no_bit(threads: int) -> None:
    x = us.tensor(np.random.default_rng(4).standard_normal((70, 90, 110)).astype(np.float32)).permute(2, 0, 1)
    y = x.permute(0, 2, 1).contiguous().permute(0, 2, 1)

    def results() -> list[us.Tensor]:
        return [x.exp(), x + y, x.contiguous(), x.sum(0), x.sum(1), x.sum(2)]

    before = us.get_num_threads()
    try:
        us.set_num_threads(1)
        expected = results()
        us.set_num_threads(threads)
        got = results()
    finally:
        us.set_num_threads(before)
    assert all(a.equal(b) for a, b in zip(expected, got, strict=True))
