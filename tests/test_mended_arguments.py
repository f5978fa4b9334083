"""Calls in rare forms: what functions say to arguments of other kinds, and what they give for empty ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "bincount": (lambda: us.bincount(us.tensor([1]), 2.5), "weights"),
    "is_same_size": (lambda: us.is_same_size(us.ones(1), "a"), "other"),
    "type_as": (lambda: us.ones(1).type_as((1,)), "other"),
    "can_cast": (lambda: us.can_cast(us.ones(1), us.float32), "from_"),
    "eigh": (lambda: us.linalg.eigh(us.eye(2), us.eye(2)), "UPLO"),
    "eigvalsh": (lambda: us.linalg.eigvalsh(us.eye(2), -3), "UPLO"),
    "multi_dot": (lambda: us.linalg.multi_dot([us.eye(2), 3, us.eye(2)]), r"tensors\[1\]"),
    "norm": (lambda: us.linalg.norm([us.eye(2)], ord="nuc"), "A"),
    "tensor_split": (lambda: us.tensor_split([us.ones(2)], sections=2), "input"),
    "logaddexp2": (lambda: us.logaddexp2(us.ones(2), 2), "other"),
    "scalar_tensor": (lambda: us.scalar_tensor(us.ones(3)), "s"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_of_another_kind_are_named(name: str) -> None:
    call, argument = WRONG[name]
    with pytest.raises(TypeError, match=f"argument '?{argument}'? must be"):
        call()


def test_shapes_and_dtypes_that_do_not_fit_are_named() -> None:
    with pytest.raises(RuntimeError, match=r"indices must be int64 or int32, got .*float32"):
        F.embedding_bag(us.ones(1, 1), us.ones(2, 2))
    with pytest.raises(RuntimeError, match=r"weight \(2, 1\) must hold one number for each of the 2 classes"):
        F.cross_entropy(us.zeros(3, 2), us.full((3, 2), 0.5), us.ones(2, 1))
    with pytest.raises(RuntimeError, match=r"tau .* must have the batch dimensions of A"):
        us.linalg.householder_product(us.eye(2), us.eye(2))
    with pytest.raises(TypeError):
        us.linalg.matrix_power(us.eye(2), 2.5)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="floating"):
        F.cosine_similarity(us.ones(2, dtype=us.int64), us.ones(2, dtype=us.int64), dim=0)


def test_integers_and_masks_take_part_where_others_are_floating() -> None:
    mask, x = us.tensor([True, False]), us.tensor([2.0, 3.0])
    assert us.allclose(us.logaddexp2(mask, x), us.logaddexp2(mask.float(), x))
    like = F.cosine_similarity(us.tensor([1, 2]), us.tensor([2.0, 4.0]), dim=0)
    assert like.item() == pytest.approx(1.0)
    t = us.special.chebyshev_polynomial_t
    assert t(us.ones(2), us.tensor(3.0, dtype=us.float64)).dtype == us.float32
    assert t(us.tensor(2.0, dtype=us.float64), us.ones(2)).dtype == us.float32
    assert t(us.tensor([True]), us.tensor(2.0, dtype=us.float64)).dtype == us.float64
    x = us.tensor([3.5], dtype=us.float64)
    assert us.equal(us.mvlgamma(x, us.tensor(2)), us.mvlgamma(x, 2))  # type: ignore[arg-type]
    power = us.linalg.matrix_power(us.tensor([[1, 1], [1, 0]]), 10)
    assert power.tolist() == [[89, 55], [55, 34]]
    assert us.ldexp(us.ones(2, dtype=us.bfloat16), us.tensor([1, 2])).dtype == us.bfloat16
    exact = us.special.xlog1py(us.tensor(1.0, dtype=us.float64), us.tensor(2, dtype=us.int8))
    assert exact.item() == pytest.approx(1.0986122886681098, abs=1e-15)


def test_empty_and_zero_dimensional_operands() -> None:
    assert us.inner(us.ones(0), us.ones(0)).item() == 0.0
    assert us.inner(us.ones(2, 0), us.ones(3, 0)).tolist() == [[0.0] * 3] * 2
    assert us.tensordot(us.tensor(2.0), us.tensor(3.0), dims=0).item() == 6.0
    assert us.adjoint(us.tensor(2.0)).item() == 2.0


def test_forms_of_calls() -> None:
    x = us.tensor([0.5, 1.5])
    assert us.equal(x.polygamma(n=1), us.polygamma(1, x))
    assert us.histogram(x).hist.shape == (100,)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(x, us.zeros(2), 0).item() == 2.5  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.l1_loss(x, us.zeros(2), reduce=0).shape == (2,)  # type: ignore[arg-type]


def test_numbers_are_copied_everywhere_as_elements_would_be() -> None:
    x = us.tensor([1.0, 2.0])
    assert x.copy_(3) is x
    assert x.tolist() == [3.0, 3.0]
    assert x.copy_(True, non_blocking=True).tolist() == [1.0, 1.0]
    assert us.tensor([1, 2]).copy_(2.5).tolist() == [2, 2]
    assert us.zeros(2, dtype=us.bool).copy_(0.5).tolist() == [True, True]
    assert us.zeros(2, dtype=us.int8).copy_(300).tolist() == [44, 44]
    assert us.zeros(2, dtype=us.bfloat16).copy_(0.1).equal(us.tensor([0.1, 0.1], dtype=us.bfloat16))
    assert x.copy_(other=us.tensor([5.0, 6.0])).tolist() == [5.0, 6.0]  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="copy_"):
        x.copy_("a")  # type: ignore[call-overload]


def test_copied_numbers_end_gradients_and_are_replayed() -> None:
    leaf = us.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf that requires grad cannot be changed in place"):
        leaf.copy_(3)
    y = leaf * 2
    y[:1].copy_(7)
    (y * leaf).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [7.0, 8.0]

    @us.compile
    def step(x: us.Tensor) -> us.Tensor:
        return us.zeros(2).copy_(3) + x

    assert [step(us.tensor([1.0, 2.0])).tolist() for _ in range(3)] == [[4.0, 5.0]] * 3


def test_norms_without_an_order_are_of_order_2() -> None:
    x = us.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert us.norm(x, p=None).item() == x.norm(None).item() == 5.0
    assert us.norm(x, None, 1).tolist() == [5.0, 0.0]
    assert x.norm(p=None, dim=(0, 1), keepdim=True).tolist() == [[5.0]]
    assert us.norm(x, p=None, dtype=us.float64).dtype == us.float64
