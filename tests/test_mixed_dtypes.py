"""Products and their kin want tensors of one dtype, and say which ones they got."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F


def one(*sizes: int) -> us.Tensor:
    return us.full(sizes, 0.5)


def place(x: us.Tensor, y: us.Tensor) -> None:
    x[us.tensor([0, 1])] = y


# Each with the first tensor in one dtype and the others in another.
CALLS: dict[str, Callable[[Callable[..., us.Tensor], Callable[..., us.Tensor]], Any]] = {
    "matmul": lambda a, b: a(2, 2) @ b(2, 2),
    "matmul of vectors": lambda a, b: a(3) @ b(3),
    "matmul of batches": lambda a, b: a(2, 2, 3) @ b(2, 3, 1),
    "mm": lambda a, b: us.mm(a(2, 2), b(2, 2)),
    "mv": lambda a, b: us.mv(a(2, 2), b(2)),
    "dot": lambda a, b: us.dot(a(2), b(2)),
    "vdot": lambda a, b: us.vdot(a(2), b(2)),
    "inner": lambda a, b: us.inner(a(2, 2), b(2, 2)),
    "bmm": lambda a, b: us.bmm(a(1, 2, 2), b(1, 2, 2)),
    "bmm of nothing": lambda a, b: us.bmm(a(0, 2, 2), b(0, 2, 2)),
    "addmm": lambda a, b: us.addmm(b(2, 2), a(2, 2), b(2, 2)),
    "addmm onto": lambda a, b: us.addmm(a(2, 2), b(2, 2), b(2, 2)),
    "addmm_": lambda a, b: a(2, 2).addmm_(b(2, 2), b(2, 2)),
    "addmv": lambda a, b: us.addmv(a(2), b(2, 2), b(2)),
    "addbmm": lambda a, b: us.addbmm(a(2, 2), b(1, 2, 2), b(1, 2, 2)),
    "baddbmm": lambda a, b: us.baddbmm(a(1, 2, 2), b(1, 2, 2), b(1, 2, 2)),
    "einsum": lambda a, b: us.einsum("ij,jk->ik", a(2, 2), b(2, 2)),
    "tensordot": lambda a, b: us.tensordot(a(2, 2), b(2, 2), 1),
    "multi_dot": lambda a, b: us.linalg.multi_dot([a(2, 2), b(2, 2), b(2, 2)]),
    "vecdot": lambda a, b: us.linalg.vecdot(a(3), b(3)),
    "cross": lambda a, b: us.linalg.cross(a(3), b(3)),
    "householder_product": lambda a, b: us.linalg.householder_product(a(2, 2), b(2)),
    "cdist": lambda a, b: us.cdist(a(2, 2), b(3, 2)),
    "lerp": lambda a, b: us.lerp(a(2), b(2), 0.25),
    "lerp's weight": lambda a, b: us.lerp(a(2), a(2), b(2)),
    "linear": lambda a, b: F.linear(a(2, 2), b(2, 2)),
    "linear's bias": lambda a, b: F.linear(a(2, 2), a(2, 2), b(2)),
    "bilinear": lambda a, b: F.bilinear(a(1, 2), b(1, 2), b(1, 2, 2)),
    "conv1d": lambda a, b: F.conv1d(a(1, 1, 3), b(1, 1, 3)),
    "conv2d": lambda a, b: F.conv2d(a(1, 1, 3, 3), b(1, 1, 3, 3)),
    "conv2d's bias": lambda a, b: F.conv2d(a(1, 1, 3, 3), a(1, 1, 3, 3), b(1)),
    "conv_transpose2d": lambda a, b: F.conv_transpose2d(a(1, 1, 3, 3), b(1, 1, 3, 3)),
    "attention": lambda a, b: F.scaled_dot_product_attention(a(1, 2, 2), b(1, 2, 2), b(1, 2, 2)),
    "binary_cross_entropy": lambda a, b: F.binary_cross_entropy(a(2), b(2)),
    "prelu": lambda a, b: F.prelu(a(2, 2), b(2)),
    "scatter_add": lambda a, b: a(2).scatter_add(0, us.tensor([0]), b(1)),
    "index_add": lambda a, b: a(2).index_add(0, us.tensor([0]), b(1)),
    "assignment": lambda a, b: place(a(2), b(2)),
}


@pytest.mark.parametrize("other", [us.float64, us.bfloat16, us.float16], ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_tensors_of_two_floating_dtypes_are_refused(call: Callable[..., Any], other: us.dtype) -> None:
    def converted(*sizes: int) -> us.Tensor:
        return one(*sizes).to(other)

    for first, second in ((one, converted), (converted, one)):
        with pytest.raises(RuntimeError) as caught:
            call(first, second)
        text = str(caught.value)
        assert "float32" in text, text
        assert other.__name__ in text, text
        assert ".to()" in text or "one dtype" in text or "convert one of them" in text, text


@pytest.mark.parametrize("call", [CALLS["matmul"], CALLS["linear"], CALLS["conv2d"], CALLS["attention"]])
def test_autocast_lets_16_bit_tensors_meet_float32(call: Callable[..., us.Tensor]) -> None:
    def half(*sizes: int) -> us.Tensor:
        return one(*sizes).to(us.bfloat16)

    expected = call(one, one)
    with us.autocast("cpu"):
        assert us.allclose(call(half, one).float(), expected)
        with us.autocast("cpu", enabled=False), pytest.raises(RuntimeError, match="bfloat16"):
            call(half, one)
        assert us.allclose(call(one, half).float(), expected)
    with pytest.raises(RuntimeError, match="bfloat16"):
        call(half, one)
    with us.autocast("cpu"), pytest.raises(RuntimeError, match="float64"):
        call(one, lambda *sizes: one(*sizes).double())


def test_the_message_names_the_arguments() -> None:
    with pytest.raises(RuntimeError, match="addmm: input is float64 but mat1 is float32"):
        us.addmm(one(2, 2).double(), one(2, 2), one(2, 2))
    with pytest.raises(RuntimeError, match="lerp: input is float32 but weight is float64"):
        us.lerp(one(2), one(2), one(2).double())
    with pytest.raises(RuntimeError, match=r"linalg.cross: input is .*float32 but other is .*float64"):
        us.linalg.cross(one(3), one(3).double())


def test_products_without_sums_promote() -> None:
    a, b = one(2), one(3).double()
    for product in (us.outer(a, b), us.einsum("i,j->ij", a, b), us.kron(a, b)):
        assert product.dtype == us.float64
    assert us.einsum("ij,ij->ij", one(2, 2), one(2, 2).double()).dtype == us.float64


def test_sorted_sequences_are_searched_for_numbers_of_another_dtype() -> None:
    line = us.tensor([1.0, 2.0, 3.0])
    assert us.searchsorted(line, us.tensor([1.5, 2.0], dtype=us.float64)).tolist() == [1, 1]
    assert us.searchsorted(us.tensor([1, 2, 3]), us.tensor([1.5, 2.5])).tolist() == [1, 2]
    assert us.bucketize(us.tensor([1]), us.tensor([1.5]), right=True).tolist() == [0]


def test_one_element_is_written_where_a_mask_says_in_any_dtype() -> None:
    x = one(3)
    x[us.tensor([True, False, False])] = us.tensor(2)
    x[1:] = one(2).double()
    assert x.tolist() == [2.0, 0.5, 0.5]


def test_closeness_is_asked_of_one_dtype() -> None:
    for call in (us.isclose, us.allclose, us.Tensor.isclose, us.Tensor.allclose):
        with pytest.raises(RuntimeError, match="isclose: input is float32 but other is float64; convert"):
            call(one(2), one(2).double())
        with pytest.raises(RuntimeError, match="isclose: input is bool but other is int64"):
            call(us.tensor([True]), us.tensor([1]))
    assert us.allclose(us.tensor([3]), us.tensor([3]))


@pytest.mark.parametrize("eps", [None, 1e-5])
@pytest.mark.parametrize("weights", [us.float64, us.float32, us.bfloat16, us.int64])
@pytest.mark.parametrize("inputs", [us.float64, us.float32, us.float16, us.bfloat16])
def test_root_mean_squares_take_weights_of_another_dtype(
    inputs: us.dtype, weights: us.dtype, eps: float | None
) -> None:
    x = us.tensor([[1e-4, 2e-4, -3e-4], [0.3, 1.7, -2.1]], dtype=inputs)
    w = us.tensor([2.0, 1.0, -3.0]).to(weights)
    y = F.rms_norm(x, (3,), w, eps)
    assert y.dtype == inputs
    # The smallest step that is added is that of the dtype which the input alone is computed in.
    smallest = 2.220446049250313e-16 if inputs == us.float64 else 1.1920928955078125e-07
    a = x.double()
    exact = a / (a.square().mean(-1, keepdim=True) + (smallest if eps is None else eps)).sqrt() * w.double()
    bits = {us.float64: 1e-12, us.float32: 1e-6, us.float16: 2e-3, us.bfloat16: 1e-2}[inputs]
    assert us.allclose(y.double(), exact, rtol=bits)
    if weights.is_floating_point:
        x, w = x.requires_grad_(), w.requires_grad_()
        F.rms_norm(x, (3,), w, eps).sum().backward()
        assert w.grad is not None
        assert w.grad.dtype == weights
        assert x.grad is not None
        assert x.grad.dtype == inputs


NORMS: dict[str, Callable[[us.Tensor, us.Tensor], us.Tensor]] = {
    "layer_norm": lambda x, w: F.layer_norm(x, (3,), w, w),
    "group_norm": lambda x, w: F.group_norm(x, 3, w, w),
    "instance_norm": lambda x, w: F.instance_norm(x, None, None, w, w),
    "batch_norm": lambda x, w: F.batch_norm(x, w.detach(), w.detach(), w, w, training=False),
    "batch_norm in training": lambda x, w: F.batch_norm(
        x, w.detach().clone(), w.detach().clone(), w, w, training=True
    ),
    "batch_norm by statistics alone": lambda x, w: F.batch_norm(x, w.detach(), w.detach()),
}


@pytest.mark.parametrize("half", [us.float16, us.bfloat16])
@pytest.mark.parametrize("name", NORMS)
def test_16_bit_inputs_are_normalized_with_float32_parameters(name: str, half: us.dtype) -> None:
    us.manual_seed(0)
    x = us.randn(4, 3, 3).to(half)
    w = us.tensor([0.5, 1.0, 2.0])
    results = []
    for kind in (half, us.float32):
        a, b = x.detach().to(kind).requires_grad_(), w.clone().requires_grad_()
        y = NORMS[name](a, b)
        assert y.dtype == kind
        y.backward(us.arange(36.0).reshape(4, 3, 3).to(kind))
        results.append((y, a.grad, b.grad))
    for low, single in zip(*results, strict=True):
        assert (low is None) == (single is None)
        if low is not None and single is not None:
            assert us.equal(low, single.to(low.dtype))
    with pytest.raises(RuntimeError, match=r"input is float64 but .* float32; convert one with"):
        NORMS[name](x.double(), w)


def test_right_sides_of_triangular_systems_take_the_dtype_of_the_triangle() -> None:
    a = us.tensor([[2.0, 1.0], [0.0, 4.0]])
    b = us.tensor([[1.0], [3.0]], dtype=us.float64, requires_grad=True)
    x = us.linalg.solve_triangular(a, b, upper=True)
    assert x.dtype == us.float32
    assert x.tolist() == [[0.125], [0.75]]
    x.sum().backward()
    assert b.grad is not None
    assert b.grad.dtype == us.float64
    whole = us.linalg.solve_triangular(a.double(), us.tensor([[1, 3]]), upper=True, left=False)
    assert whole.tolist() == [[0.5, 0.625]]
    with pytest.raises(RuntimeError, match="triangular_solve: Expected A and b to have the same dtype"):
        us.triangular_solve(b.detach(), a)
