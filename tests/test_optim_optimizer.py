"""The Optimizer base: groups, checks, closures, state dictionaries, hooks, the user's own optimizers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

OPTIMIZERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"]
# What a file written by another implementation of the same interface holds.
STATE_KEYS = {
    "SGD": {"momentum_buffer"},
    "Adam": {"step", "exp_avg", "exp_avg_sq"},
    "AdamW": {"step", "exp_avg", "exp_avg_sq"},
    "RMSprop": {"step", "square_avg"},
    "Adagrad": {"step", "sum"},
    "Adadelta": {"step", "square_avg", "acc_delta"},
}
GROUP_KEYS = {
    "SGD": "lr momentum dampening weight_decay nesterov maximize foreach differentiable fused params",
    "Adam": "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused "
    "decoupled_weight_decay params",
    "RMSprop": "lr momentum alpha eps centered weight_decay capturable foreach maximize differentiable "
    "params",
    "Adagrad": "lr lr_decay eps weight_decay initial_accumulator_value foreach maximize differentiable fused "
    "params",
    "Adadelta": "lr rho eps weight_decay maximize capturable foreach differentiable params",
}


def build(name: str, parameters: Any, **options: Any) -> Any:
    if name == "SGD":
        options.setdefault("momentum", 0.9)
    return getattr(us.optim, name)(parameters, lr=0.1, **options)


def parameters(count: int = 2) -> list[Any]:
    return [us.nn.Parameter(us.randn(3, i + 1)) for i in range(count)]


def give_gradients(params: list[Any]) -> None:
    for parameter in params:
        parameter.grad = us.randn(*parameter.shape)


# Construction ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_order_of_group_entries_and_their_names_are_the_public_ones(name: str) -> None:
    group = build(name, parameters()).param_groups[0]
    assert set(group) == set(GROUP_KEYS["Adam" if name == "AdamW" else name].split())


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: us.optim.SGD(us.ones(2), lr=0.1), TypeError, "iterable"),
        (lambda: us.optim.SGD([], lr=0.1), ValueError, "empty parameter list"),
        (lambda: us.optim.SGD([1.0], lr=0.1), TypeError, "float"),
        (lambda: us.optim.SGD({us.nn.Parameter(us.ones(2))}, lr=0.1), None, ""),
        (lambda: us.optim.SGD([{"params": {us.nn.Parameter(us.ones(2))}}], lr=0.1), TypeError, "ordered"),
        (lambda: us.optim.SGD([us.ones(2, requires_grad=True) * 2], lr=0.1), ValueError, "non-leaf"),
        (lambda: us.optim.SGD(parameters(), lr=-1.0), ValueError, "learning rate: -1.0"),
        (lambda: us.optim.SGD(parameters(), lr=float("nan")), ValueError, "learning rate: nan"),
        (lambda: us.optim.SGD(parameters(), lr=us.ones(2)), ValueError, "1-element"),
        (lambda: us.optim.SGD(parameters(), momentum=-0.5), ValueError, "momentum value: -0.5"),
        (lambda: us.optim.SGD(parameters(), weight_decay=-0.5), ValueError, "weight_decay value: -0.5"),
        (lambda: us.optim.SGD(parameters(), nesterov=True), ValueError, "Nesterov"),
        (
            lambda: us.optim.SGD(parameters(), nesterov=True, momentum=0.9, dampening=0.1),
            ValueError,
            "dampening",
        ),
        (lambda: us.optim.SGD(parameters(), foreach=True, fused=True), RuntimeError, "fused"),
        (lambda: us.optim.SGD(parameters(), differentiable=True), NotImplementedError, "tape"),
        (lambda: us.optim.Adam(parameters(), betas=(1.0, 0.9)), ValueError, "index 0: 1.0"),
        (lambda: us.optim.Adam(parameters(), betas=(0.9, -0.1)), ValueError, "index 1: -0.1"),
        (lambda: us.optim.Adam(parameters(), eps=-1.0), ValueError, "epsilon value: -1.0"),
        (lambda: us.optim.AdamW(parameters(), weight_decay=-1.0), ValueError, "weight_decay"),
        (lambda: us.optim.AdamW(parameters(), differentiable=True), NotImplementedError, "AdamW"),
        (lambda: us.optim.Adam(parameters(), betas=(0.9, us.tensor(0.99))), ValueError, "both floats"),
        (lambda: us.optim.RMSprop(parameters(), alpha=-1.0), ValueError, "alpha"),
        (lambda: us.optim.RMSprop(parameters(), momentum=-1.0), ValueError, "momentum"),
        (lambda: us.optim.Adagrad(parameters(), lr_decay=-1.0), ValueError, "lr_decay"),
        (lambda: us.optim.Adagrad(parameters(), initial_accumulator_value=-1.0), ValueError, "initial_acc"),
        (lambda: us.optim.Adadelta(parameters(), rho=1.5), ValueError, "rho value: 1.5"),
        (lambda: us.optim.Optimizer(parameters(), {}).step(), NotImplementedError, "step"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: Any, words: str) -> None:
    if error is None:
        make()
        return
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Rprop", "ASGD"])
def test_every_step_can_be_captured_so_that_asking_for_it_changes_nothing(name: str) -> None:
    kinds = [us.tensor([1.0, -2.0], requires_grad=True) for _ in range(2)]
    for kind, capturable in zip(kinds, (False, True), strict=True):
        optimizer = getattr(us.optim, name)([kind], capturable=capturable)
        for _ in range(3):
            optimizer.zero_grad()
            (kind * kind).sum().backward()
            optimizer.step()
        assert optimizer.state_dict()["param_groups"][0]["capturable"] is capturable
    assert us.equal(*kinds)


def test_a_parameter_in_two_groups_is_refused() -> None:
    first, second = parameters()
    optimizer = us.optim.SGD([first], lr=0.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [second, first]})
    with pytest.raises(TypeError, match="dict"):
        optimizer.add_param_group([second])
    optimizer.add_param_group({"params": second, "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert optimizer.param_groups[1]["params"][0] is second


def test_a_parameter_twice_in_a_group_gives_a_warning() -> None:
    parameter = parameters(1)[0]
    with pytest.warns(UserWarning, match="duplicate"):
        us.optim.SGD([parameter, parameter], lr=0.1)


def test_named_parameters_keep_their_names() -> None:
    module = us.nn.Linear(2, 3)
    optimizer = us.optim.Adam(module.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="names"):
        optimizer.add_param_group({"params": parameters()})
    with pytest.raises(ValueError, match="names"):
        us.optim.Adam([("weight", module.weight), module.bias])


def test_repr_lists_the_groups() -> None:
    text = repr(us.optim.SGD(parameters(), lr=0.25))
    assert text.startswith("SGD (\nParameter Group 0\n")
    assert "    lr: 0.25\n" in text


# Gradients and closures -----------------------------------------------------------------------------------


def test_zero_grad_drops_gradients_or_fills_them() -> None:
    params = parameters()
    optimizer = us.optim.SGD(params, lr=0.1)
    give_gradients(params)
    optimizer.zero_grad(set_to_none=False)
    assert all(not bool(p.grad.any()) for p in params)
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_closure_runs_with_gradients_and_its_loss_is_returned(name: str) -> None:
    parameter = us.nn.Parameter(us.ones(2))
    optimizer = build(name, [parameter])

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    with us.no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert parameter[0].item() < 1.0
    assert optimizer.step() is None


# State ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_dict_has_the_public_layout(name: str) -> None:
    params = parameters()
    optimizer = build(name, params)
    give_gradients(params)
    optimizer.step()
    saved = optimizer.state_dict()
    assert set(saved) == {"state", "param_groups"}
    assert saved["param_groups"][0]["params"] == [0, 1]
    assert list(saved["state"]) == [0, 1]
    for number, entry in saved["state"].items():
        assert set(entry) == STATE_KEYS[name]
        for key, value in entry.items():
            if key == "step":
                assert (value.shape, value.dtype, value.item()) == ((), us.float32, 1.0)
            else:
                assert value.shape == params[number].shape


def test_plain_gradient_descent_keeps_no_state() -> None:
    params = parameters()
    optimizer = us.optim.SGD(params, lr=0.1)
    give_gradients(params)
    optimizer.step()
    assert optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_a_restored_optimizer_continues_with_the_same_bits(name: str, way: str) -> None:
    first = parameters()
    optimizer = build(name, first)
    gradients = [[us.randn(*p.shape) for p in first] for _ in range(5)]

    def run(optimizer: Any, params: list[Any], steps: range) -> None:
        for i in steps:
            for parameter, gradient in zip(params, gradients[i], strict=True):
                parameter.grad = gradient
            optimizer.step()

    run(optimizer, first, range(3))
    second = [us.nn.Parameter(p.detach().clone()) for p in first]
    if way == "state_dict":
        restored = build(name, second)
        restored.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    else:
        restored = pickle.loads(pickle.dumps(optimizer)) if way == "pickle" else copy.deepcopy(optimizer)
        second = restored.param_groups[0]["params"]
        assert all(a is not b for a, b in zip(first, second, strict=True))
    run(optimizer, first, range(3, 5))
    run(restored, second, range(3, 5))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_loading_converts_state_to_the_parameter_and_keeps_the_step_count() -> None:
    single = [us.nn.Parameter(us.ones(2))]
    optimizer = us.optim.Adam(single)
    give_gradients(single)
    optimizer.step()
    double = [us.nn.Parameter(us.ones(2, dtype=us.float64))]
    other = us.optim.Adam(double)
    saved = optimizer.state_dict()
    other.load_state_dict(saved)
    state = other.state[double[0]]
    assert (state["exp_avg"].dtype, state["step"].dtype) == (us.float64, us.float32)
    state["exp_avg"].fill_(7.0)
    assert saved["state"][0]["exp_avg"][0].item() != 7.0


def test_state_that_does_not_fit_is_refused() -> None:
    one, two = us.optim.SGD(parameters(1), lr=0.1), us.optim.SGD(parameters(2), lr=0.1)
    with pytest.raises(ValueError, match="1 parameters there and 2 here"):
        two.load_state_dict(one.state_dict())
    two.add_param_group({"params": parameters(1)})
    with pytest.raises(ValueError, match="number of parameter groups: 1, the optimizer has 2"):
        two.load_state_dict(one.state_dict())


# Hooks and subclasses -------------------------------------------------------------------------------------


def test_step_hooks_run_around_the_step_and_can_be_removed() -> None:
    params = parameters()
    optimizer = us.optim.AdamW(params)
    give_gradients(params)
    seen: list[str] = []
    handles = [
        optimizer.register_step_pre_hook(lambda opt, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append("after")),
        register_optimizer_step_pre_hook(lambda opt, args, kwargs: seen.append("before all")),
        register_optimizer_step_post_hook(lambda opt, args, kwargs: seen.append("after all")),
    ]
    optimizer.step()
    assert seen == ["before all", "before", "after", "after all"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4


def test_state_dict_hooks_may_replace_the_dictionary() -> None:
    optimizer = us.optim.SGD(parameters(), lr=0.1)
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "epoch": 3})
    optimizer.register_load_state_dict_pre_hook(
        lambda opt, state: {k: v for k, v in state.items() if k != "epoch"}
    )
    saved = optimizer.state_dict()
    assert saved["epoch"] == 3
    optimizer.load_state_dict(saved)


class SignDescent(us.optim.Optimizer):
    """A user's own optimizer, written with operations."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        with us.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is None:
                        continue
                    state = self.state[parameter]
                    state["count"] = state.get("count", 0) + 1
                    parameter.add_(parameter.grad.sign(), alpha=-group["lr"])


def test_a_users_own_optimizer_has_groups_state_and_hooks() -> None:
    parameter = us.nn.Parameter(us.zeros(2))
    optimizer = SignDescent([parameter], lr=0.5)
    seen: list[int] = []
    optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append(opt.state[parameter]["count"]))
    parameter.grad = us.tensor([3.0, -2.0])
    optimizer.step()
    optimizer.step()
    assert parameter.tolist() == [-1.0, 1.0]
    assert seen == [1, 2]
    restored = SignDescent([us.nn.Parameter(us.zeros(2))])
    restored.load_state_dict(optimizer.state_dict())
    assert restored.state_dict()["state"] == {0: {"count": 2}}
    assert restored.param_groups[0]["lr"] == 0.5
