"""Compiled functions whose results need gradients: two programs with the tape between them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from steps import BATCHES, STEPS, Made, assert_same_bits, labels, numbers, small, training
from unspool import nn


def network() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 3))


@pytest.mark.parametrize("make_model", [small, network])
def test_a_compiled_module_trains_to_the_same_bits(make_model: Any) -> None:
    weights, losses = [], []
    for is_compiled in (False, True):
        us.manual_seed(0)
        model = make_model()
        _, step = training(us.compile(model) if is_compiled else model, us.optim.Adam(model.parameters()))
        us.manual_seed(1)
        losses.append([step(*BATCHES[i % 4]).item() for i in range(STEPS)])
        weights.append([tensor.tolist() for tensor in [*model.parameters(), *model.buffers()]])
    assert losses[0] == losses[1]
    assert weights[0] == weights[1]


def test_a_copy_of_a_compiled_module_has_weights_of_its_own() -> None:
    model = us.compile(small())
    model(BATCHES[0][0])
    twin = copy.deepcopy(model)
    with us.no_grad():
        next(iter(twin.parameters())).zero_()
    for each in (model, twin):
        for x, _ in BATCHES[:2]:
            np.testing.assert_array_equal(each(x).detach().numpy(), each._orig_mod(x).detach().numpy())
    assert twin.cache_info().misses == 1


def test_forward_and_backward_are_replayed() -> None:
    model = us.compile(small())
    for x, _ in BATCHES:
        loss = model(x).square().sum()
        assert loss.requires_grad
        loss.backward()
    assert model.cache_info() == (3, 1, 8, 1)


def test_calls_may_wait_for_their_backward() -> None:
    us.manual_seed(0)
    model = small()
    compiled = us.compile(model)
    compiled(BATCHES[0][0])  # captured
    results = [compiled(x) for x, _ in BATCHES[:3]]
    us.stack(results).square().sum().backward()
    got = [parameter.grad.numpy().copy() for parameter in model.parameters()]
    model.zero_grad()
    us.stack([model(x) for x, _ in BATCHES[:3]]).square().sum().backward()
    for mine, parameter in zip(got, model.parameters(), strict=True):
        np.testing.assert_allclose(mine, parameter.grad.numpy(), rtol=1e-5)  # summed in another order


def test_arguments_get_gradients() -> None:
    f = us.compile(lambda x, y: (x * y).sum(1).exp())
    for seed in range(3):
        x = numbers(3, 4, seed=seed).requires_grad_()
        y = numbers(3, 4, seed=seed + 5)
        f(x, y).sum().backward()
        expected = us.autograd.grad((x * y).sum(1).exp().sum(), x)[0]
        np.testing.assert_array_equal(x.grad.numpy(), expected.numpy())
        assert y.grad is None
    assert f.cache_info().misses == 1


def test_a_compiled_layer_between_others() -> None:
    def make(is_compiled: bool) -> Made:
        second = nn.Sequential(nn.Tanh(), nn.Linear(3, 3))
        model = nn.Sequential(small(), us.compile(second) if is_compiled else second)
        return training(model, us.optim.SGD(model.parameters(), lr=0.1))

    histories = []
    for is_compiled in (False, True):
        us.manual_seed(0)
        _, step = make(is_compiled)
        histories.append([step(*BATCHES[i % 4]).item() for i in range(20)])
    assert histories[0] == histories[1]


def test_several_results_of_which_some_need_no_gradient() -> None:
    weight = nn.Parameter(numbers(4))
    f = us.compile(lambda x: {"out": x @ weight, "plain": x.sum(), "twice": (x @ weight) * 2})
    for x, _ in BATCHES[:3]:
        weight.grad = None
        result = f(x)
        assert not result["plain"].requires_grad
        (result["out"].sum() + result["twice"].sum()).backward()
        np.testing.assert_allclose(weight.grad.numpy(), (3 * x.sum(0)).numpy(), rtol=1e-5)
        result = f(x)
        (grad,) = us.autograd.grad(result["out"].sum(), weight)
        np.testing.assert_allclose(grad.numpy(), x.sum(0).numpy(), rtol=1e-5)


def test_derivatives_inside_of_the_function_are_part_of_it() -> None:
    def make(is_compiled: bool) -> Made:
        model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = us.optim.Adam(model.parameters(), lr=1e-2)

        def residual(t: Any) -> Any:
            value = model(t)
            (slope,) = us.autograd.grad(value.sum(), t, create_graph=True)
            return (slope + value).square().mean()

        inner = us.compile(residual) if is_compiled else residual

        def step(t: Any) -> Any:
            optimizer.zero_grad()
            loss = inner(t.requires_grad_())
            loss.backward()
            optimizer.step()
            return loss

        return list(model.parameters()), step

    histories = []
    for is_compiled in (False, True):
        us.manual_seed(0)
        _, step = make(is_compiled)
        histories.append([step(numbers(6, 1, seed=i)).item() for i in range(20)])
    assert histories[0] == histories[1]


def test_a_whole_step_with_double_backward_is_one_program() -> None:
    def make() -> Made:
        model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = us.optim.Adam(model.parameters(), lr=1e-2)

        def step(t: Any) -> Any:
            optimizer.zero_grad()
            t = t.detach().requires_grad_()
            value = model(t)
            (slope,) = us.autograd.grad(value.sum(), t, create_graph=True)
            loss = (slope + value).square().mean()
            loss.backward(inputs=list(model.parameters()))
            optimizer.step()
            return loss

        return list(model.parameters()), step

    assert assert_same_bits(make, [(numbers(6, 1, seed=i),) for i in range(4)]).cache_info().misses == 1


def test_what_a_gradient_needs_may_not_be_overwritten() -> None:
    model = small()
    compiled = us.compile(model)
    compiled(BATCHES[0][0])
    loss = F.cross_entropy(compiled(BATCHES[0][0]), labels(6, 3))
    with us.no_grad():
        model[2].weight.mul_(2)
    with pytest.raises(RuntimeError, match="mul has since overwritten"):
        loss.backward()


def test_a_freed_graph_and_second_derivatives_are_refused_by_name() -> None:
    compiled = us.compile(small())
    compiled(BATCHES[0][0])
    loss = compiled(BATCHES[0][0]).sum()
    with pytest.raises(NotImplementedError, match="cannot be differentiated again"):
        us.autograd.grad(loss, list(compiled.parameters()), create_graph=True)
    loss = compiled(BATCHES[0][0]).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    with pytest.raises(RuntimeError, match="already freed"):
        loss.backward()
