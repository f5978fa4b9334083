"""The loss of a linear layer: against NumPy, the two functions it stands for, and bad calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import nn
from unspool.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(3)
X, W, B = RNG.normal(size=(6, 4)), RNG.normal(size=(5, 4)), RNG.normal(size=5)
T = np.array([0, 4, 2, -100, 1, 4])


def double(array: Any, requires_grad: bool = False) -> us.Tensor:
    return us.tensor(array, dtype=us.float64, requires_grad=requires_grad)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_values_are_numpys(reduction: str) -> None:
    logits = X @ W.T + B
    logarithms = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    losses = np.array([0.0 if t < 0 else -logarithms[i, t] for i, t in enumerate(T)])
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 5}[reduction]
    found = F.linear_cross_entropy(
        double(X), double(W), us.tensor(T), linear_bias=double(B), reduction=reduction
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_all_options_go_to_the_loss() -> None:
    weight, target = double(RNG.uniform(1, 2, 5)), us.tensor(np.abs(T) % 5)
    options: dict[str, Any] = {"weight": weight, "ignore_index": 2, "label_smoothing": 0.2}
    found = F.linear_cross_entropy(double(X), double(W), target, **options)
    assert us.equal(found, F.cross_entropy(F.linear(double(X), double(W)), target, **options))
    single = F.linear_cross_entropy(double(X[0]), double(W), us.tensor(3))
    assert single.item() == pytest.approx(F.cross_entropy(double(W @ X[0]), us.tensor(3)).item())
    chances = double(RNG.dirichlet(np.ones(5), 6))
    assert us.equal(
        F.linear_cross_entropy(double(X), double(W), chances),
        F.cross_entropy(F.linear(double(X), double(W)), chances),
    )


def test_several_targets_per_sample() -> None:
    w, b = RNG.normal(size=(5, 2, 3, 4)), RNG.normal(size=(5, 2, 3))
    target = us.tensor(RNG.integers(0, 5, (6, 2, 3)))
    logits = double(np.einsum("cijk,nk->ncij", w, X) + b)
    found = F.linear_cross_entropy(double(X), double(w), target, linear_bias=double(b))
    assert found.item() == pytest.approx(F.cross_entropy(logits, target).item(), rel=1e-12)


def test_gradients_of_both_orders() -> None:
    inputs = (double(X, True), double(W, True), double(B, True))
    function = lambda x, w, b: F.linear_cross_entropy(x, w, us.tensor(T), linear_bias=b)  # noqa: E731
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("out_features", [(), (2,)])
def test_the_module_trains(bias: bool, out_features: tuple[int, ...]) -> None:
    us.manual_seed(0)
    model = nn.LinearCrossEntropyLoss(4, 5, out_features=out_features, bias=bias)
    assert model.linear.weight.shape == (5 * (2 if out_features else 1), 4)
    target = us.randint(0, 5, (6, *out_features))
    optimizer = us.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = model(us.tensor(X, dtype=us.float32), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert list(model.state_dict()) == ["linear.weight"] + ["linear.bias"] * bias


def test_bad_calls_raise() -> None:
    for error, args, options in [
        (RuntimeError, (us.ones(2, 4), us.ones(4), us.tensor([0, 1])), {}),
        (RuntimeError, (us.ones(2, 3, 4), us.ones(5, 4), us.tensor([0, 1])), {}),
        (RuntimeError, (us.ones(2, 4), us.ones(5, 4), us.tensor([0, 1])), {"linear_bias": us.ones(3)}),
        (RuntimeError, (us.ones(2, 3), us.ones(5, 4), us.tensor([0, 1])), {}),
        (TypeError, (us.ones(2, 4), us.ones(5, 4), us.tensor([0, 1])), {"options": object()}),
    ]:
        with pytest.raises(error):
            F.linear_cross_entropy(*args, **options)  # type: ignore[arg-type]


def test_options_for_pieces_are_checked_and_change_nothing() -> None:
    x, w, target = us.randn(6, 3), us.randn(4, 3), us.tensor([0, 1, 2, 3, 0, 1])
    options = nn.LinearCrossEntropyOptions(batch_chunk_size=2, chunking_method="aspect_ratio:2")
    for reduction in ("none", "sum", "mean"):
        found = F.linear_cross_entropy(x, w, target, reduction=reduction, options=options)
        assert us.equal(found, F.linear_cross_entropy(x, w, target, reduction=reduction))
    model = nn.LinearCrossEntropyLoss(3, 4, options=options)
    assert "batch_chunk_size=2" in repr(model)
    for bad in (
        {"batch_chunk_size": 0},
        {"batch_chunk_size": 2.5},
        {"chunking_method": "aspect_ratio:x"},
        {"acc_policy": "x"},
        {"acc_dtype": us.int32},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            nn.LinearCrossEntropyOptions(**bad)  # type: ignore[arg-type]


def test_the_layer_checks_what_it_is_given() -> None:
    with pytest.raises(RuntimeError, match=r"expected weight shape to be \(2,\), got \(3,\)"):
        us.nn.LinearCrossEntropyLoss(3, 2, weight=us.ones(3))
    with pytest.raises(RuntimeError, match="label_smoothing"):
        us.nn.LinearCrossEntropyLoss(3, 2, label_smoothing=2.0)
    with pytest.raises(ValueError, match=r"input batch_size \(4\) to match target batch_size \(5\)"):
        us.nn.LinearCrossEntropyLoss(3, 2)(us.zeros(4, 3), us.zeros(5, 2))
