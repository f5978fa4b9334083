"""Sparse tensors resized, selected from and joined, softmax over what is stored, and named refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us

INDICES = [[0, 2, 0, 1], [1, 0, 1, 2]]


def made(dense_size: int | None = None) -> Any:
    shape = (4,) if dense_size is None else (4, dense_size)
    values = us.arange(1.0, 1.0 + int(np.prod(shape)), dtype=us.float64).reshape(shape)
    return us.sparse_coo_tensor(INDICES, values, (3, 4, *shape[1:]))


def dense(dense_size: int | None = None) -> Any:
    return made(dense_size).to_dense().numpy()


def test_sizes_grow_in_place_while_something_is_stored() -> None:
    sparse = made()
    assert sparse.resize_as_(us.sparse_coo_tensor([[0], [0]], us.ones(1), (5, 4))) is sparse
    np.testing.assert_array_equal(sparse.to_dense().numpy(), np.vstack([dense(), np.zeros((2, 4))]))
    wide = made(2).sparse_resize_((3, 5, 3), 2, 1)
    np.testing.assert_array_equal(wide.to_dense().numpy()[:, :4, :2], dense(2))
    assert wide.to_dense().sum().item() == dense(2).sum()
    for size, sparse_dim, dense_dim, message in [
        ((2, 4), 2, 0, "shrinking"),
        ((3, 4), 1, 1, "number of sparse"),
        ((3, 4), 2, 1, "do not make"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            made().sparse_resize_(size, sparse_dim, dense_dim)
    with pytest.raises(TypeError, match="sparse tensor"):
        made().resize_as_(us.ones(3, 4))


def test_an_emptied_sparse_tensor_takes_any_size() -> None:
    sparse = made().zero_()
    assert (sparse._nnz(), sparse.shape) == (0, (3, 4))
    assert sparse.sparse_resize_((2,), 1, 0).to_dense().tolist() == [0.0, 0.0]
    assert made().sparse_resize_and_clear_((1, 2), 1, 1).to_dense().tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("dense_size", [None, 2])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_sparse_tensors_are_joined(dense_size: int | None, dim: int) -> None:
    a, b, plain = made(dense_size), made(dense_size) * 2, dense(dense_size)
    place = dim if dense_size is None or dim >= 0 else 1
    joined = us.cat([a, b, a], place)
    np.testing.assert_array_equal(joined.to_dense().numpy(), np.concatenate([plain, 2 * plain, plain], place))
    stacked = us.stack((a, b), dim=dim if dense_size is None else abs(dim))
    expected = np.stack([plain, 2 * plain], dim if dense_size is None else abs(dim))
    np.testing.assert_array_equal(stacked.to_dense().numpy(), expected)


def test_joining_names_what_does_not_fit() -> None:
    other = us.sparse_coo_tensor([[0], [0]], us.ones(1, dtype=us.float64), (2, 5))
    with pytest.raises(RuntimeError, match=re.escape("(3, 4) and (2, 5)")):
        us.cat([made(), other])
    with pytest.raises(RuntimeError, match="stack: shapes"):
        us.stack([made(), other])
    with pytest.raises(TypeError, match="not joined"):
        us.cat([us.ones(3, 4), made()])
    with pytest.raises(IndexError, match="sparse dimensions"):
        us.cat([made(2), made(2)], 2)


def test_slices_are_selected() -> None:
    np.testing.assert_array_equal(made()[0].to_dense().numpy(), dense()[0])
    np.testing.assert_array_equal(made()[-1].to_dense().numpy(), dense()[-1])
    np.testing.assert_array_equal(made().select(1, 1).to_dense().numpy(), dense()[:, 1])
    assert made()[0][1].item() == dense()[0, 1]
    order = us.tensor([2, 0, 0])
    np.testing.assert_array_equal(made().index_select(0, order).to_dense().numpy(), dense()[[2, 0, 0]])
    chosen = us.index_select(made(2), 1, us.tensor([1, 3]))
    np.testing.assert_array_equal(chosen.to_dense().numpy(), dense(2)[:, [1, 3]])
    np.testing.assert_array_equal(made().unsqueeze(-1).to_dense().numpy(), dense()[:, :, None])
    for bad in (
        lambda: made()[3],
        lambda: made().index_select(0, us.tensor([3])),
        lambda: made().select(2, 0),
    ):
        with pytest.raises(IndexError):
            bad()
    with pytest.raises(NotImplementedError, match="to_dense"):
        made()[0:1]


@pytest.mark.parametrize("dense_size", [None, 2])
@pytest.mark.parametrize("log", [False, True])
def test_softmax_is_over_what_is_stored(dense_size: int | None, log: bool) -> None:
    function = us.sparse.log_softmax if log else us.sparse.softmax
    for dim in range(2 if dense_size is None else 3):
        sparse = made(dense_size).coalesce()
        values = (sparse.values() / 3).requires_grad_()
        weights = us.tensor(np.random.default_rng(dim).normal(size=values.shape))
        result = function(us.sparse_coo_tensor(sparse.indices(), values, sparse.shape), dim)
        (result.values() * weights).sum().backward()
        filled = us.full(sparse.shape, -1e300, dtype=us.float64)
        other = values.detach().clone().requires_grad_()
        rows, columns = sparse.indices()
        whole = filled.index_put((rows, columns), other)
        expected = (whole.log_softmax(dim) if log else whole.softmax(dim))[rows, columns]
        (expected * weights).sum().backward()
        np.testing.assert_allclose(
            result.values().detach().numpy(), expected.detach().numpy(), rtol=1e-14, atol=1e-15
        )
        assert values.grad is not None
        assert other.grad is not None
        np.testing.assert_allclose(values.grad.numpy(), other.grad.numpy(), rtol=1e-13, atol=1e-15)


def test_arithmetic_in_place() -> None:
    sparse = made()
    same = sparse.mul_(4).div_(2)
    assert same is sparse
    np.testing.assert_array_equal(sparse.add_(made(), alpha=3).to_dense().numpy(), 5 * dense())
    assert sparse.norm().item() == pytest.approx(5 * np.linalg.norm(dense()), rel=1e-15)
    with pytest.raises(TypeError, match="sparse \\+ dense"):
        sparse.add_(us.ones(3, 4))


@pytest.mark.parametrize("convert", [lambda x: x.long(), lambda x: x.int(), lambda x: x.half()])
def test_values_are_converted(convert: Callable[[Any], Any]) -> None:
    assert convert(made()).dtype == convert(us.ones(1)).dtype
    np.testing.assert_array_equal(convert(made()).to_dense().numpy(), dense())


def test_functions_that_keep_zero_are_methods_too() -> None:
    np.testing.assert_array_equal((-made()).abs().to_dense().numpy(), dense())
    np.testing.assert_allclose(made().sin().to_dense().numpy(), np.sin(dense()), rtol=1e-15)


def test_what_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match=r"Tensor\.cumsum is not implemented .* sparse"):
        made().cumsum(0)
    assert not hasattr(made(), "cumsum")
    with pytest.raises(AttributeError, match="nonsense"):
        made().nonsense  # noqa: B018
