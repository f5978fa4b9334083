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
