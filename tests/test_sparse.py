"""Sparse tensors: what they hold, products and sums with dense ones, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us

INDICES = [[0, 2, 0, 1], [1, 0, 1, 2]]


def made(**settings: Any) -> Any:
    values = us.tensor([1.0, 2.0, 3.0, 4.0], dtype=us.float64)
    return us.sparse_coo_tensor(INDICES, values, (3, 4), **settings)


def dense() -> np.ndarray[Any, Any]:
    array = np.zeros((3, 4))
    np.add.at(array, tuple(INDICES), [1.0, 2.0, 3.0, 4.0])
    return array


def test_a_sparse_tensor_holds_what_it_is_made_of() -> None:
    sparse = made()
    assert (sparse.shape, sparse.dtype, sparse.ndim, sparse._nnz()) == ((3, 4), us.float64, 2, 4)
    assert sparse.is_sparse
    np.testing.assert_array_equal(sparse.to_dense().numpy(), dense())
    with pytest.raises(RuntimeError, match="not coalesced"):
        sparse.indices()
    coalesced = sparse.coalesce()
    assert coalesced.indices().tolist() == [[0, 1, 2], [1, 2, 0]]
    assert coalesced.values().tolist() == [4.0, 4.0, 2.0]
    np.testing.assert_array_equal(coalesced.to_dense().numpy(), dense())
    np.testing.assert_array_equal(sparse.t().to_dense().numpy(), dense().T)
    assert us.sparse_coo_tensor(np.array(INDICES), us.ones(4), dtype=us.float32).shape == (3, 3)
    assert us.sparse_coo_tensor([[1]], us.ones(1, 2)).to_dense().tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_dense_tensors_can_be_made_sparse() -> None:
    x = us.from_numpy(dense()).requires_grad_()
    sparse = x.to_sparse()
    assert sparse._nnz() == 3
    assert us.equal(sparse.to_dense(), x)
    sparse.to_dense().sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), (dense() != 0).astype(float))


def test_products_and_sums_are_those_of_dense_tensors() -> None:
    sparse, x, y = made(), us.randn(4, 2, dtype=us.float64), us.randn(3, 4, dtype=us.float64)
    for product in (sparse @ x, us.spmm(sparse, x), us.sparse.mm(sparse, x), sparse.mm(x)):
        np.testing.assert_allclose(product.numpy(), dense() @ x.numpy())
    np.testing.assert_allclose((sparse @ x[:, 0]).numpy(), dense() @ x[:, 0].numpy())
    np.testing.assert_allclose(us.spmm(y.t(), sparse).numpy(), y.t().numpy() @ dense())
    np.testing.assert_allclose((y + sparse).numpy(), y.numpy() + dense())
    np.testing.assert_allclose((sparse + y).numpy(), y.numpy() + dense())
    np.testing.assert_allclose((sparse + sparse).to_dense().numpy(), 2 * dense())
    np.testing.assert_allclose((sparse * 3).to_dense().numpy(), 3 * dense())
    np.testing.assert_allclose((sparse.coalesce() * y).to_dense().numpy(), y.numpy() * dense())
    np.testing.assert_allclose(us.sparse.sum(sparse, 1).numpy(), dense().sum(1))
    np.testing.assert_allclose(
        us.sparse.addmm(us.ones(3, 2, dtype=us.float64), sparse, x, beta=2.0).numpy(), 2 + dense() @ x.numpy()
    )


@pytest.mark.parametrize("what", ["mm", "add", "to_dense", "coalesce"])
def test_gradients_reach_values_and_dense_operands(what: str) -> None:
    def function(values: us.Tensor, x: us.Tensor) -> us.Tensor:
        sparse = us.sparse_coo_tensor(INDICES, values, (3, 4))
        if what == "mm":
            return us.spmm(sparse, x.t())
        if what == "add":
            return x[:3] + sparse
        return (sparse.coalesce() if what == "coalesce" else sparse).to_dense() * x[:3]

    inputs = (
        us.randn(4, dtype=us.float64, requires_grad=True),
        us.randn(5, 4, dtype=us.float64, requires_grad=True),
    )
    assert us.autograd.gradcheck(function, inputs)
    assert us.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize(
    ("indices", "values", "size", "message"),
    [
        ([[0, 1]], [1.0], None, "do not fit"),
        ([0, 1], [1.0, 2.0], None, "do not fit"),
        ([[5]], [1.0], (3,), "index 5 is out of range in dimension 0 of size 3"),
        ([[-1]], [1.0], (3,), "index -1 is out of range"),
        ([[0]], [1.0], (3, 3), "size"),
    ],
)
def test_what_does_not_fit_is_refused(indices: Any, values: Any, size: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        us.sparse_coo_tensor(indices, us.tensor(values), size)


@pytest.mark.parametrize("name", ["coalesce", "indices", "values"])
def test_dense_tensors_have_no_indices(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"{name}: expected a sparse tensor"):
        getattr(us.ones(2), name)()


def test_products_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"\(3, 4\) and \(3, 2\)"):
        us.spmm(made(), us.ones(3, 2, dtype=us.float64))
    with pytest.raises(RuntimeError, match="dtypes"):
        us.spmm(made(), us.ones(4, 2))
    with pytest.raises(RuntimeError, match="does not broadcast"):
        made() + us.ones(4, dtype=us.float64)


def test_functions_of_dense_tensors_take_sparse_ones() -> None:
    sparse, x = made(), us.randn(4, 2, dtype=us.float64)
    for product in (us.mm(sparse, x), us.matmul(sparse, x), us.mm(x.t(), sparse.t()).t()):
        np.testing.assert_allclose(product.numpy(), dense() @ x.numpy())
    bias = us.randn(3, 2, dtype=us.float64)
    np.testing.assert_allclose(us.addmm(bias, sparse, x).numpy(), bias.numpy() + dense() @ x.numpy())
    np.testing.assert_allclose(us.sum(sparse, dim=1).numpy(), dense().sum(1))
    for name in ("sqrt", "relu", "tanh", "neg", "abs"):
        result = getattr(us, name)(sparse)
        assert result.is_sparse
        np.testing.assert_allclose(
            result.to_dense().numpy(), getattr(us, name)(us.from_numpy(dense())).numpy()
        )
    np.testing.assert_allclose((sparse**2).to_dense().numpy(), dense() ** 2)
    with pytest.raises(RuntimeError, match="positive exponent"):
        sparse**0


def test_sums_and_differences_promote_and_keep_what_is_sparse() -> None:
    counts = us.sparse_coo_tensor(INDICES, us.ones(4), (3, 4), dtype=us.int64)
    whole = counts.to_dense().numpy()
    assert (us.ones(3, 4) + counts).dtype is us.float32
    np.testing.assert_allclose((us.ones(3, 4) + counts).numpy(), 1 + whole)
    np.testing.assert_allclose((us.ones(3, 4) - counts).numpy(), 1 - whole)
    np.testing.assert_allclose((counts - us.ones(3, 4)).numpy(), whole - 1)
    difference = made() - counts
    assert difference.is_sparse
    assert difference.dtype is us.float64
    np.testing.assert_allclose(difference.to_dense().numpy(), dense() - whole)
    np.testing.assert_allclose(us.sub(made(), counts, alpha=2).to_dense().numpy(), dense() - 2 * whole)
    x = us.ones(3, 4).requires_grad_()
    ((x - counts) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * (1 - whole))  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [us.float16, us.float64, us.int64])
def test_older_constructors_keep_the_dtype_of_values_that_are_tensors(dtype: us.dtype) -> None:
    indices = us.tensor([[0, 1], [1, 0]])
    assert us.sparse.FloatTensor(indices, us.ones(2, dtype=dtype), (2, 2)).dtype is dtype
    assert us.sparse.DoubleTensor(indices, [1, 2], (2, 2)).dtype is us.float64


@pytest.mark.parametrize("dtype", [us.bfloat16, us.float16, us.bool, us.int8])
def test_every_dtype_has_elements_that_are_not_zero(dtype: us.dtype) -> None:
    x = us.tensor([[0, 1, 0], [1, 0, 1]]).to(dtype)
    sparse = x.to_sparse()
    assert sparse.dtype == dtype
    assert sparse.indices().tolist() == [[0, 1, 1], [1, 0, 2]]
    assert us.equal(sparse.to_dense(), x)


def test_other_layouts_are_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match=r"torch\.Tensor\.to_sparse_csr is not implemented"):
        us.eye(2).to_sparse().to_sparse_csr()
