"""Sparse tensors as buffers of modules, and in files, which are those of PyTorch."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

import unspool as us

nn = us.nn


def matrix(scale: float = 1.0) -> Any:
    return us.sparse_coo_tensor([[0, 1, 1], [1, 0, 2]], us.tensor([1.0, 2.0, 3.0]) * scale, (3, 3))


class _Graph(nn.Module):
    """A linear layer over the neighbours that a sparse buffer lists."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("neighbours", matrix(scale))
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        return us.sparse.mm(self.neighbours, self.linear(x))


def test_a_module_holds_and_converts_a_sparse_buffer() -> None:
    us.manual_seed(0)
    module = _Graph()
    x = us.randn(3, 2)
    expected = module.neighbours.to_dense() @ module.linear(x)
    assert us.equal(module(x), expected)
    assert [name for name, _ in module.named_buffers()] == ["neighbours"]
    assert module.double().neighbours.dtype == us.float64
    assert module.to("cpu").float().neighbours.dtype == us.float32
    assert us.equal(copy.deepcopy(module)(x), expected)
    module.neighbours = matrix(2.0)
    assert us.equal(module(x), 2 * expected)
    with pytest.raises(TypeError, match="buffer"):
        module.neighbours = "a name"
    with pytest.raises(TypeError, match="buffer"):
        module.register_buffer("other", [1.0])


def test_a_state_with_a_sparse_buffer_is_saved_and_loaded() -> None:
    us.manual_seed(1)
    module, other = _Graph(), _Graph(5.0)
    file = io.BytesIO()
    us.save(module.state_dict(), file)
    file.seek(0)
    other.load_state_dict(us.load(file))
    x = us.randn(3, 2)
    assert us.equal(other(x), module(x))
    wrong = {**module.state_dict(), "neighbours": us.sparse_coo_tensor([[0], [0]], us.ones(1), (2, 2))}
    with pytest.raises(RuntimeError, match="size mismatch for neighbours"):
        other.load_state_dict(wrong)


@pytest.mark.parametrize("coalesced", [False, True])
def test_a_file_holds_what_is_stored(coalesced: bool) -> None:
    sparse = matrix().coalesce() if coalesced else matrix()
    file = io.BytesIO()
    us.save([sparse, sparse.double()], file)
    file.seek(0)
    read, double = us.load(file)
    assert (read.is_coalesced(), read.shape, double.dtype) == (coalesced, (3, 3), us.float64)
    np.testing.assert_array_equal(read.to_dense().numpy(), matrix().to_dense().numpy())


@pytest.mark.parametrize("ours", [False, True])
def test_files_are_exchanged_with_pytorch(ours: bool) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    if ours:
        us.save({"a": matrix()}, file)
        file.seek(0)
        theirs = torch.load(file)["a"]
        np.testing.assert_array_equal(theirs.to_dense().numpy(), matrix().to_dense().numpy())
        return
    places = [[0, 1, 1], [1, 0, 2]]
    theirs = torch.sparse_coo_tensor(places, [1.0, 2.0, 3.0], (3, 3), check_invariants=True)
    torch.save({"a": theirs}, file)
    file.seek(0)
    np.testing.assert_array_equal(us.load(file)["a"].to_dense().numpy(), matrix().to_dense().numpy())


@pytest.mark.parametrize("stored", [(), (1, 2, 3), [us.zeros(1, 1)]])
def test_a_file_that_makes_no_sparse_tensor_is_refused(stored: Any) -> None:
    from unspool._io.allowed import BUILDERS, _layout, _sparse

    with pytest.raises(pickle.UnpicklingError, match="sparse tensor"):
        BUILDERS[_sparse](us.sparse_coo, stored)
    with pytest.raises(pickle.UnpicklingError, match="layout"):
        BUILDERS[_layout]("torch.sparse_csr")


def test_an_index_out_of_range_in_a_file_is_refused() -> None:
    from unspool._io.allowed import _sparse

    with pytest.raises(RuntimeError, match="out of range"):
        _sparse(us.sparse_coo, (us.tensor([[7]]), us.ones(1), us.Size([3]), True))
