"""Pruning: which elements go, which names appear, and that training leaves zeros zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn.utils import prune


@pytest.fixture
def layer() -> nn.Linear:
    us.manual_seed(0)
    return nn.Linear(6, 4)


def test_the_smallest_magnitudes_go(layer: nn.Linear) -> None:
    weight = layer.weight.detach().numpy().copy()
    assert prune.l1_unstructured(layer, "weight", 10) is layer
    smallest = np.argsort(abs(weight).reshape(-1))[:10]
    expected = weight.copy().reshape(-1)
    expected[smallest] = 0
    np.testing.assert_array_equal(layer.weight.detach().numpy(), expected.reshape(4, 6))
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    assert [name for name, _ in layer.named_buffers()] == ["weight_mask"]
    # A second time: half of what is left.
    prune.l1_unstructured(layer, "weight", 0.5)
    assert int((layer.weight == 0).sum()) == 10 + 7
    np.testing.assert_array_equal(layer.weight_orig.detach().numpy(), weight)


def test_scores_decide_where_they_are_given(layer: nn.Linear) -> None:
    prune.l1_unstructured(layer, "weight", 6, importance_scores=us.arange(24.0).reshape(4, 6))
    assert layer.weight_mask.tolist() == [[0.0] * 6] + [[1.0] * 6] * 3


@pytest.mark.parametrize(("n", "order"), [(1, 1), (2, 2), (float("inf"), np.inf)])
def test_slices_with_the_smallest_norm_go(layer: nn.Linear, n: float, order: float) -> None:
    norms = np.linalg.norm(layer.weight.detach().numpy(), ord=order, axis=0)
    prune.ln_structured(layer, "weight", 0.5, n, 1)
    kept = np.sort(np.argsort(norms)[3:])
    np.testing.assert_array_equal(np.flatnonzero(layer.weight_mask.numpy().any(0)), kept)
    prune.ln_structured(layer, "weight", 1, n, 0)
    assert int((layer.weight_mask.sum(1) == 0).sum()) == 1


def test_random_pruning_follows_the_generator(layer: nn.Linear) -> None:
    us.manual_seed(7)
    draws = us.rand(4, 6)
    us.manual_seed(7)
    prune.random_unstructured(layer, "weight", 0.25)
    np.testing.assert_array_equal(
        np.flatnonzero(layer.weight_mask.numpy() == 0), np.sort(np.argsort(draws.numpy().reshape(-1))[-6:])
    )
    prune.random_structured(layer, "weight", 2, 1)
    assert int((layer.weight_mask.sum(0) == 0).sum()) >= 2
    assert len(layer._forward_pre_hooks) == 1


def test_gradients_flow_through_the_mask(layer: nn.Linear) -> None:
    prune.l1_unstructured(layer, "weight", 0.5)
    zeros = layer.weight_mask == 0
    optimizer = us.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(us.ones(2, 6)).square().sum().backward()
        optimizer.step()
    assert layer.weight_orig.grad is not None
    assert bool((layer.weight_orig.grad[zeros] == 0).all())
    layer(us.ones(2, 6))
    assert bool((layer.weight[zeros] == 0).all())
    assert bool((layer.weight[~zeros] != 0).all())


def test_removing_makes_it_permanent(layer: nn.Linear) -> None:
    prune.custom_from_mask(layer, "bias", us.tensor([1.0, 0, 0, 1]))
    prune.identity(layer, "weight")
    assert prune.is_pruned(nn.Sequential(layer))
    bias = layer.bias.detach().clone()
    prune.remove(layer, "bias")
    prune.remove(layer, "weight")
    assert not prune.is_pruned(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert us.equal(layer.bias, bias)
    assert isinstance(layer.bias, nn.Parameter)
    with pytest.raises(ValueError, match="not pruned"):
        prune.remove(layer, "bias")


def test_global_pruning_compares_all_parameters() -> None:
    us.manual_seed(1)
    a, b = nn.Linear(3, 3), nn.Linear(3, 5)
    every = np.concatenate([abs(each.weight.detach().numpy()).reshape(-1) for each in (a, b)])
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=8)
    masks = np.concatenate([each.weight_mask.numpy().reshape(-1) for each in (a, b)])
    np.testing.assert_array_equal(np.flatnonzero(masks == 0), np.sort(np.argsort(every)[:8]))
    with pytest.raises(TypeError, match="unstructured"):
        prune.global_unstructured([(a, "weight")], prune.LnStructured, amount=1, n=1)


def test_a_tensor_is_pruned_without_a_module() -> None:
    pruned = prune.L1Unstructured(1).prune(us.tensor([3.0, -1, 2]))
    assert pruned.tolist() == [3, 0, 2]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", 1.5), ValueError),
        (lambda m: prune.l1_unstructured(m, "weight", -1), ValueError),
        (lambda m: prune.l1_unstructured(m, "weight", 25), ValueError),
        (lambda m: prune.l1_unstructured(m, "weight", "x"), TypeError),
        (lambda m: prune.random_structured(m, "bias", 1, 0), ValueError),
        (lambda m: prune.random_structured(m, "weight", 1, 5), IndexError),
        (lambda m: prune.custom_from_mask(m, "weight", us.ones(2)), ValueError),
        (lambda m: prune.l1_unstructured(m, "weight", 1, us.ones(2)), ValueError),
        (lambda m: prune.l1_unstructured(m, "nothing", 1), AttributeError),
    ],
)
def test_bad_calls_raise_and_change_nothing(
    layer: nn.Linear, call: Callable[[Any], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert not prune.is_pruned(layer)
