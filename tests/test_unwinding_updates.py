"""``backward(step=optimizer)`` gives the weights of ``backward()`` and ``step()`` for every optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_optim_updates import CASES

import unspool as us
import unspool.nn.functional as F
from steps import labels, numbers, small
from unspool import nn

Step = Callable[[Any], Any]


class Knotted(nn.Module):
    """A weight that is used twice, views of weights, a parameter that is not used, one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(numbers(6, 4, seed=1))
        self.tied = nn.Parameter(numbers(6, 6, seed=2) / 3)
        us.manual_seed(0)
        self.last = nn.Linear(6, 3)
        self.bias = nn.Parameter(numbers(2, 6, seed=3))
        self.unused = nn.Parameter(numbers(3))
        self.frozen = nn.Parameter(numbers(6), requires_grad=False)

    def forward(self, x: Any) -> Any:
        h = us.tanh(x @ self.first.t() + self.bias[0]) * self.frozen
        h = us.sigmoid(F.linear(h, self.tied) + self.bias[1])
        h = us.tanh(h @ self.tied[:, :6]) * self.first[:, 0].detach()
        return self.last(h)


class MatrixOnly(nn.Module):
    """Muon updates matrices alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6, bias=False), nn.Linear(6, 3, bias=False)

    def forward(self, x: Any) -> Any:
        return self.last(us.tanh(self.first(x)))


def run(
    make: Callable[[], Any],
    optimizer: Callable[[Any], Any],
    step: Callable[[Any, Any, Any], Any],
    steps: int = 40,
    compiled: bool = False,
) -> list[Any]:
    """Weights and optimizer state after training; ``step(model, optimizer, loss)`` unwinds and updates."""
    us.manual_seed(0)
    model = make()
    stepper = optimizer(model)
    batches = [(numbers(8, 4, seed=i), labels(8, 3, seed=i)) for i in range(4)]

    def once(x: Any, y: Any) -> Any:
        return step(model, stepper, F.cross_entropy(model(x), y))

    if compiled:
        once = us.compile(once)
    results = [once(*batches[i % 4]) for i in range(steps)]
    values = [p.detach().numpy().copy() for p in model.parameters()]
    state = stepper.state_dict()["state"] if hasattr(stepper, "state_dict") else {}
    for number in sorted(state):
        values += [value.numpy().copy() for value in state[number].values() if isinstance(value, us.Tensor)]
    if compiled:
        assert once.cache_info().hits > steps // 2
    return values + [each.numpy() for each in results if each is not None]


def two_phase(model: Any, optimizer: Any, loss: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def unwinding(model: Any, optimizer: Any, loss: Any) -> None:
    del model
    loss.backward(step=optimizer)


def assert_same(a: list[Any], b: list[Any]) -> None:
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def settings_id(value: Any) -> str:
    return ("compiled" if value else "eager") if isinstance(value, bool) else "-".join([value[0], *value[1]])


ALL = [*CASES, ("Muon", {"lr": 0.02})]
PARAMETERS = [(case, is_compiled) for case in ALL for is_compiled in (False, True)]


@pytest.mark.parametrize(("case", "compiled"), PARAMETERS, ids=settings_id)
def test_weights_after_1000_steps_are_those_of_backward_and_step(
    case: tuple[str, dict[str, Any]], compiled: bool
) -> None:
    name, settings = case

    def optimizer(model: Any) -> Any:
        return getattr(us.optim, name)(list(model.parameters()), **settings)

    make = MatrixOnly if name == "Muon" else Knotted
    expected = run(make, optimizer, two_phase, 1000)
    assert_same(expected, run(make, optimizer, unwinding, 1000, compiled))


def test_every_optimizer_is_among_the_cases() -> None:
    tested = {name for name, _ in CASES} | {"Muon"}
    optimizers = {
        name
        for name in us.optim.__all__
        if isinstance(each := getattr(us.optim, name), type)
        and issubclass(each, us.optim.Optimizer)
        and each is not us.optim.Optimizer
    }
    assert optimizers - tested == {"LBFGS", "SparseAdam"}  # which refuse


@pytest.mark.parametrize("compiled", [False, True])
def test_groups_with_rates_of_their_own_under_a_schedule(compiled: bool) -> None:
    schedules = []

    def optimizer(model: Any) -> Any:
        groups = [
            {"params": [model.first, model.tied], "lr": 0.3, "weight_decay": 0.1},
            {"params": [model.bias, *model.last.parameters()], "momentum": 0.9, "nesterov": True},
        ]
        result = us.optim.SGD(groups, lr=0.1)
        schedules.append(us.optim.lr_scheduler.CosineAnnealingLR(result, 10))
        return result

    def train(update: Any, compiled: bool) -> list[Any]:
        model = Knotted()
        stepper = optimizer(model)
        schedule = schedules[-1]
        x, y = numbers(8, 4), labels(8, 3)

        def once() -> None:
            update(model, stepper, F.cross_entropy(model(x), y))

        step = us.compile(once) if compiled else once
        for _ in range(30):
            step()
            schedule.step()
        return [p.detach().numpy().copy() for p in model.parameters()]

    us.manual_seed(3)
    expected = train(two_phase, False)
    us.manual_seed(3)
    assert_same(expected, train(unwinding, compiled))


@pytest.mark.parametrize("compiled", [False, True])
def test_several_optimizers_step_in_one_unwinding(compiled: bool) -> None:
    def optimizers(model: Any) -> Any:
        return Several(
            us.optim.SGD([model.first, model.tied], lr=0.1, momentum=0.9),
            us.optim.AdamW([model.bias, *model.last.parameters(), model.tied], lr=0.01),
        )

    expected = run(Knotted, optimizers, two_phase)
    assert_same(
        expected,
        run(Knotted, optimizers, lambda m, o, loss: loss.backward(step=o.optimizers), compiled=compiled),
    )


class Several:
    def __init__(self, *optimizers: Any) -> None:
        self.optimizers = optimizers

    def zero_grad(self) -> None:
        for each in self.optimizers:
            each.zero_grad()

    def step(self) -> None:
        for each in self.optimizers:
            each.step()


@pytest.mark.parametrize("compiled", [False, True])
def test_the_last_of_several_micro_batches_updates(compiled: bool) -> None:
    def train(update: bool, compiled: bool) -> list[Any]:
        us.manual_seed(0)
        model = Knotted()
        optimizer = us.optim.AdamW(model.parameters(), lr=0.01)
        parts = [(numbers(4, 4, seed=i), labels(4, 3, seed=i)) for i in range(3)]

        def once() -> None:
            optimizer.zero_grad()
            for x, y in parts[:-1]:
                (F.cross_entropy(model(x), y) + model.unused.sum()).backward()
            x, y = parts[-1]
            loss = F.cross_entropy(model(x), y)
            if update:
                loss.backward(step=optimizer)
            else:
                loss.backward()
                optimizer.step()

        step = us.compile(once) if compiled else once
        for _ in range(20):
            step()
        return [p.detach().numpy().copy() for p in model.parameters()]

    assert_same(train(False, False), train(True, compiled))


def test_gradients_of_leaves_outside_of_the_optimizer_accumulate_as_ever() -> None:
    model, x = small(), numbers(5, 4)
    x.requires_grad_()
    optimizer = us.optim.SGD(model[2].parameters(), lr=0.1)
    F.cross_entropy(model(x), labels(5, 3)).backward(step=optimizer)
    assert x.grad is not None
    assert model[0].weight.grad is not None
    with pytest.raises(RuntimeError, match="used by backward"):
        model[2].weight.grad  # noqa: B018


def test_only_the_inputs_that_were_asked_for_are_updated() -> None:
    expected, found = small(), small()
    found.load_state_dict(expected.state_dict())
    for model, update in ((expected, False), (found, True)):
        optimizer = us.optim.SGD(model.parameters(), lr=0.1)
        loss = F.cross_entropy(model(numbers(5, 4)), labels(5, 3))
        if update:
            loss.backward(inputs=[model[0].weight], step=optimizer)
        else:
            loss.backward(inputs=[model[0].weight])
            optimizer.step()
    assert_same(
        [p.detach().numpy() for p in expected.parameters()], [p.detach().numpy() for p in found.parameters()]
    )
