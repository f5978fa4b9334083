"""Cross-entropy with class indices is one operation each way, with the bits of the two that it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F

SHAPES = ((5,), (7, 3), (100, 33), (1000, 96), (3, 1), (0, 4), (4, 6, 3, 90), (2, 3, 300), (2, 3, 0))


def in_two(x: us.Tensor, target: us.Tensor, **options: Any) -> us.Tensor:
    return F.nll_loss(F.log_softmax(x, 0 if x.ndim == 1 else 1), target, **options)


def problem(shape: tuple[int, ...], dtype: us.dtype, *, ignored: bool = True) -> tuple[us.Tensor, us.Tensor]:
    rng = np.random.default_rng(len(shape))
    classes = shape[0] if len(shape) == 1 else shape[1]
    target = rng.integers(0, classes, size=(() if len(shape) == 1 else (shape[0], *shape[2:])))
    if ignored and target.size > 3:
        target.reshape(-1)[::3] = -100
    return us.tensor(3 * rng.normal(size=shape), dtype=dtype, requires_grad=True), us.tensor(target)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [us.float32, us.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_operation_has_the_bits_of_two(
    shape: tuple[int, ...], dtype: us.dtype, weighted: bool, reduction: str
) -> None:
    x, target = problem(shape, dtype)
    classes = shape[0] if len(shape) == 1 else shape[1]
    weight = us.linspace(0.5, 2, classes, dtype=dtype) if weighted else None
    found = []
    for loss in (F.cross_entropy, in_two):
        value = loss(x, target, weight=weight, reduction=reduction)
        (grad,) = us.autograd.grad(value, x, us.ones_like(value))
        found.append((value.detach().numpy(), grad.numpy()))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("shape", [(4,), (6, 5), (3, 4, 2)])
def test_it_is_differentiated_twice_and_three_times(shape: tuple[int, ...], reduction: str) -> None:
    x, target = problem(shape, us.float64)

    def loss(logits: us.Tensor) -> us.Tensor:
        return F.cross_entropy(logits, target, reduction=reduction).square().sum()

    def slope(logits: us.Tensor) -> us.Tensor:
        return us.autograd.grad(loss(logits), logits, create_graph=True)[0].square().sum()

    assert us.autograd.gradcheck(loss, (x,))
    assert us.autograd.gradgradcheck(loss, (x,))
    assert us.autograd.gradgradcheck(slope, (x,))


@pytest.mark.parametrize("shape", [(1000, 96), (8, 5, 700)])
def test_threads_change_no_bit(shape: tuple[int, ...]) -> None:
    x, target = problem(shape, us.float32)
    before, found = us.get_num_threads(), []
    try:
        for threads in (1, 3):
            us.set_num_threads(threads)
            loss = F.cross_entropy(x, target)
            found.append((loss.item(), us.autograd.grad(loss, x)[0].numpy()))
    finally:
        us.set_num_threads(before)
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_a_captured_step_has_one_instruction_each_way() -> None:
    model = us.nn.Linear(6, 4)
    _, target = problem((8, 4), us.float32, ignored=False)

    @us.compile
    def step(x: us.Tensor) -> us.Tensor:
        model.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        return loss

    step(us.randn(8, 6))
    program = step.explain()
    assert program.count("= cross_entropy_forward(") == program.count("= cross_entropy_backward(") == 1
    assert "log_softmax" not in program
    assert "nll_loss" not in program


def test_rows_that_are_masked_whole_and_classes_beyond_the_last() -> None:
    x = us.tensor([[-np.inf, 0.0, 1.0], [0.0, 1.0, 2.0]], requires_grad=True)
    F.cross_entropy(x, us.tensor([2, -100])).backward()
    assert x.grad is not None
    expected = [[0.0, 1 / (1 + np.e), -1 / (1 + np.e)], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
    with pytest.raises(IndexError, match="cross_entropy: target 3 is out of range"):
        F.cross_entropy(x, us.tensor([2, 3]))
