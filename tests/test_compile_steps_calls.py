"""How compiled steps are called, what they may make of constants, and what they say they cannot do."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from steps import BATCHES, assert_same_bits, labels, numbers, small, training
from unspool import nn

# ---- constants and uninitialised memory ----


def filled(x: Any) -> Any:
    made = us.empty_like(x)
    made[:2] = x[:2]
    made[2:] = x[2:] * 2
    return made.sum(0)


def changed(x: Any) -> Any:
    made = us.tensor([0.0, 1.0, 2.0, 3.0])
    made += x.sum(0)
    made[0] = 3
    return made


def replaced(x: Any) -> Any:
    x = x * 1
    x.data = x.data.clamp(min=0)
    x.data.mul_(2)
    return x + us.zeros(6, 4).data


CONSTANTS: dict[str, tuple[Callable[[Any], Any], int]] = {  # and how often it is run before it is replayed
    "empty_like": (filled, 1),
    "empty": (lambda x: us.empty(6, 4).copy_(x) * 2, 1),
    "new_empty": (lambda x: x.new_empty(2, 4).fill_(2.0) + x[:2], 1),
    "Tensor": (lambda x: us.Tensor(6, 4).copy_(x), 1),
    "list of rows": (lambda x: x[[0, 2, 1]], 2),
    "list of columns": (lambda x: x[:, [1, 2]] * 3, 2),
    "write by list": (lambda x: x.clone().index_fill_(1, us.tensor([0, 3]), 2.0), 2),
    "array": (lambda x: x[np.array([0, 2, 1])], 2),
    "arrays": (lambda x: x[np.arange(3), us.tensor([0, 1, 2])], 2),
    "shared array": (lambda x: x[us.from_numpy(np.arange(3))] + us.as_tensor(np.arange(8.0)[::2]), 2),
    "numbers": (lambda x: x * us.tensor([1.0, 2.0, 3.0, 4.0]), 2),
    "number": (lambda x: us.where(x > 0, x, us.tensor(0.5)), 2),
    "returned": (lambda x: us.tensor([[1, 2], [3, 4]]), 2),
    "changed": (changed, 2),
    "factories": (lambda x: x @ us.eye(4) + us.arange(4) + us.zeros(4) + us.full((4,), 2.0), 1),
    "one_hot": (lambda x: F.one_hot(us.arange(6) % 3, num_classes=4) * x, 1),
    "mask": (lambda x: x[:4].masked_fill(us.triu(us.ones(4, 4, dtype=us.bool), 1), -9.0).softmax(-1), 1),
    "tril_indices": (lambda x: x[us.tril_indices(4, 4)[0]], 2),
    "window": (lambda x: x * us.hann_window(4), 2),
    "data": (replaced, 1),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_tensors_that_a_step_makes_of_constants(name: str) -> None:
    function, runs = CONSTANTS[name]
    step = us.compile(function)
    for i in range(5):
        x = numbers(6, 4, seed=i)
        got, expected = step(x), function(x)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
        got.fill_(7)  # is the caller's own
    assert step.cache_info().misses <= runs


def test_constants_of_a_function_whose_results_need_gradients() -> None:
    layer = nn.Linear(4, 4)
    plain = lambda x: (layer(x) * us.tensor([1.0, 2.0, 3.0, 4.0]) + us.tensor(2.0)).sum()  # noqa: E731
    step = us.compile(plain)
    for i in range(4):
        found = []
        for function in (plain, step):
            layer.zero_grad()
            loss = function(numbers(6, 4, seed=i))
            loss.backward()
            found.append((loss.item(), layer.weight.grad.tolist()))
        assert found[0] == found[1]
    assert step.cache_info().misses == 2


def test_lists_and_arrays_from_outside_may_change() -> None:
    table, array = [1.0, 2.0, 3.0], np.arange(3.0)
    nested = [[0.0], [1.0], table[:1]]
    functions = [
        lambda x: x * us.tensor(table),
        lambda x: x * us.tensor(array),
        lambda x: x * us.tensor(array * 2),
        lambda x: x * us.tensor([nested[0], nested[1]]).sum(),
        lambda x: x * us.tensor(array[1:]).sum(),
    ]
    for function in functions:
        step = us.compile(function)
        for i in range(9):
            table[1] = array[1] = nested[0][0] = float(i // 3)
            assert step(us.ones(3)).tolist() == function(us.ones(3)).tolist()
        assert step.cache_info() == (3, 6, 8, 2)


def test_constants_that_differ_from_run_to_run_are_refused() -> None:
    class Reader:
        __slots__ = ("place",)

        def read(self) -> list[float]:
            self.place += 1
            return [float(self.place)]

    reader = Reader()
    reader.place = 0
    step = us.compile(lambda x: x * us.tensor(reader.read()))
    assert step(us.ones(1)).item() == 1
    with pytest.raises(us.CaptureError, match="other values when the step was run a second time"):
        step(us.ones(1))
    step = us.compile(lambda x: x * us.tensor(reader.read()), fallback="eager")
    step(us.ones(1))
    with pytest.warns(UserWarning, match="other values"):
        step(us.ones(1))
    assert [step(us.ones(1)).item() for _ in range(2)] == [5.0, 6.0]


def test_an_index_that_is_out_of_range_is_noticed_in_a_replay() -> None:
    step = us.compile(lambda y: F.one_hot(y, num_classes=3).sum(0))
    step(us.tensor([0, 1]))
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        step(us.tensor([0, 3]))


# ---- what is made in Python at each call ----

STREAM = iter([1.0, 2.0, 3.0])
OWN = np.random.default_rng(0)
SHARED = np.ones(3, "float32")


def drawing_layers(x: Any) -> Any:
    return x * 2 if random.random() < 0.5 else x


VOLATILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "iterator": (lambda x: x * next(STREAM), "iterator 'STREAM'"),
    "random": (drawing_layers, "Python's random module"),
    "NumPy": (lambda x: x * float(np.random.rand()), "numpy.random"),
    "generator": (lambda x: x * OWN.random(), "from OWN"),
    "shared array": (lambda x: x * us.from_numpy(SHARED), "that others have as well"),
}


@pytest.mark.parametrize("name", VOLATILE)
def test_what_python_makes_anew_at_each_call_is_refused(name: str) -> None:
    np.random.seed(0)  # somebody has used it
    function, words = VOLATILE[name]
    with pytest.raises(us.CaptureError, match=words):
        us.compile(function)(us.ones(3))


def test_an_iterator_among_batches_is_never_read_once_for_all() -> None:
    batches = itertools.cycle(BATCHES)
    inner = training(small(), us.optim.SGD(small().parameters(), lr=0.1))[1]
    step = us.compile(lambda: inner(*next(batches)), fallback="eager")
    with pytest.warns(UserWarning, match="iterator 'batches'"):
        step()
    assert next(batches) is BATCHES[1]


# ---- ways of calling ----


@dataclasses.dataclass
class Batch:
    x: Any
    y: Any


class Trainer:
    def __init__(self) -> None:
        self.model = small()
        self.optimizer = us.optim.Adam(self.model.parameters())
        self.last: Any = None

    def step(self, x: Any, y: Any, scale: float = 1.0) -> Any:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y) * scale
        loss.backward()
        self.optimizer.step()
        return loss

    def __call__(self, x: Any, y: Any) -> Any:
        return self.step(x, y)


def by_name(step: Any) -> Any:
    return lambda x, y: step(y=y, x=x)


FORMS: dict[str, Callable[[Trainer, Callable[..., Any]], Any]] = {
    "bound method": lambda t, wrap: wrap(t.step),
    "callable object": lambda t, wrap: wrap(t),
    "partial": lambda t, wrap: wrap(functools.partial(t.step, scale=0.5)),
    "default arguments": lambda t, wrap: wrap(lambda x, y, scale=0.25: t.step(x, y, scale)),
    "by name": lambda t, wrap: by_name(wrap(t.step)),
    "twice": lambda t, wrap: wrap(wrap(t.step)),
    "dict": lambda t, wrap: (lambda f: lambda x, y: f({"x": x, "y": y}))(wrap(lambda b: t.step(**b))),
    "pair and None": lambda t, wrap: (lambda f: lambda x, y: f((x, [y]), None))(
        wrap(lambda pair, mask: t.step(pair[0], pair[1][0]))
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_calls(name: str) -> None:
    def run(wrap: Callable[..., Any]) -> Any:
        us.manual_seed(0)
        trainer = Trainer()
        step = FORMS[name](trainer, wrap)
        losses = [step(*BATCHES[i % 4]).item() for i in range(8)]
        return losses, [p.tolist() for p in trainer.model.parameters()]

    assert run(us.compile) == run(lambda function: function)


def test_a_decorated_method_is_each_instances_own() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        @us.compile
        def total(self, x: Any) -> Any:
            with us.no_grad():
                return self.layer(x).sum()

    first, second = Net(), Net()
    for _ in range(3):
        for net in (first, second):
            assert net.total(us.ones(1, 2)).item() == net.layer(us.ones(1, 2)).sum().item()


def test_other_objects_as_arguments_are_taken_apart_by_the_caller() -> None:
    """A dataclass counts by identity, so a new one at each call would be captured at each call."""
    trainer = Trainer()
    step = us.compile(lambda batch: trainer.step(batch.x, batch.y))
    batch = Batch(*BATCHES[0])
    first = [step(batch).item() for _ in range(3)]
    assert first[0] > first[1] > first[2]
    assert step.cache_info().misses == 1
    batch.x = batch.x * 0.5
    step(batch)
    assert step.cache_info().misses == 2


def test_numbers_that_change_at_each_call_never_fill_memory() -> None:
    scale = us.compile(lambda x, by: x * by)
    for i in range(30):
        assert scale(us.ones(1), float(i)).item() == i
    assert scale.cache_info() == (0, 30, 8, 8)


def test_training_goes_on_after_freezing_and_in_evaluation() -> None:
    def run(wrap: Callable[..., Any]) -> Any:
        us.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))
        optimizer = us.optim.Adam(model.parameters())

        def both(x: Any, y: Any) -> Any:
            loss = F.cross_entropy(model(x), y)
            if model.training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return loss.detach()

        step, losses = wrap(both), []
        for i in range(20):
            if i == 8:
                model[0].requires_grad_(False)
            model.train(i % 4 != 3)
            losses.append(step(*BATCHES[i % 4]).item())
        return step, losses, [value.tolist() for value in model.state_dict().values()]

    compiled, plain = run(us.compile), run(lambda function: function)
    assert compiled[1:] == plain[1:]
    assert compiled[0].cache_info().misses <= 4


def test_an_error_of_the_users_own_leaves_the_step_usable() -> None:
    trainer = Trainer()

    @us.compile
    def step(x: Any, y: Any) -> Any:
        if x.shape[0] == 2:
            raise ValueError("two are too few")
        return trainer.step(x, y)

    for _ in range(2):
        with pytest.raises(ValueError, match="too few"):
            step(numbers(2, 4), labels(2, 3))
        assert step(*BATCHES[0]).item() > 0


def test_two_compiled_steps_over_one_model() -> None:
    def make() -> Any:
        trainer = Trainer()
        other = us.compile(lambda x: trainer.model(x).square().sum().detach())

        def both(x: Any, y: Any) -> Any:
            return trainer.step(x, y), other(x)

        return list(trainer.model.parameters()), both

    assert_same_bits(make, BATCHES, 12)


def test_lbfgs_is_refused_by_name_and_its_closure_is_not() -> None:
    def run(wrap: Callable[..., Any]) -> Any:
        us.manual_seed(0)
        model, (x, y) = small(), BATCHES[0]
        optimizer = us.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

        @wrap
        def closure() -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss.detach()

        with pytest.raises(us.CaptureError, match=r"LBFGS.*Compile the closure"):
            us.compile(lambda: optimizer.step(closure))()
        return [optimizer.step(closure).item() for _ in range(3)]

    assert run(us.compile) == run(lambda function: function)
