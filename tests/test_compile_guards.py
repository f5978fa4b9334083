"""Compiled steps: what makes a new program, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from steps import BATCHES, Step, numbers, small, training
from unspool import nn

# ---- what makes a new program ----


def test_a_signature_is_captured_once_and_the_oldest_is_dropped() -> None:
    total = us.compile(lambda x: x.sum(), cache_size=2)
    for size in (2, 3, 2, 4, 2, 3):
        assert total(us.ones(size)).item() == size
    assert total.cache_info() == (2, 4, 2, 2)
    total.clear()
    assert total.cache_info() == (0, 0, 2, 0)


def test_what_is_changed_outside_is_noticed() -> None:
    us.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    holder = {"scale": 1.0}

    @us.compile
    def forward(x: Any) -> Any:
        with us.no_grad():
            return model(x) * holder["scale"]

    x = numbers(5, 4)
    forward(x)
    changes: list[Callable[[], Any]] = [
        model.eval,
        lambda: holder.update(scale=2.0),
        lambda: setattr(model[0], "bias", None),
        lambda: setattr(model[0], "weight", nn.Parameter(us.ones(4, 4))),
        lambda: setattr(model[0].weight, "data", us.zeros(4, 4)),
        lambda: model[0].weight.requires_grad_(False),
        lambda: model.append(nn.ReLU()),
        lambda: model[0].register_forward_hook(lambda module, args, out: out + 1),
    ]
    for count, change in enumerate(changes, start=2):
        change()
        with us.no_grad():
            expected = model(x) * holder["scale"]
        np.testing.assert_array_equal(forward(x).numpy(), expected.numpy())
        assert forward.cache_info().misses == count
        np.testing.assert_array_equal(forward(x).numpy(), expected.numpy())
        assert forward.cache_info().misses == count


def test_an_optimizer_that_gets_other_parameters_or_state_is_noticed() -> None:
    model = small()
    optimizer = us.optim.Adam(model[0].parameters())
    step = us.compile(training(model, optimizer)[1])
    step(*BATCHES[0])
    before = model[2].weight.tolist()
    optimizer.add_param_group({"params": list(model[2].parameters())})
    step(*BATCHES[0])
    assert model[2].weight.tolist() != before
    optimizer.state.clear()
    step(*BATCHES[0])
    assert optimizer.state[model[0].weight]["step"].item() == 1


def test_numbers_among_the_arguments_are_part_of_the_signature() -> None:
    scale = us.compile(lambda x, by: x * by)
    assert [scale(us.ones(1), by).item() for by in (2.0, 3.0, 2.0)] == [2.0, 3.0, 2.0]
    assert scale.cache_info().misses == 2


def test_gradient_mode_is_part_of_the_signature() -> None:
    weight = nn.Parameter(us.ones(3))
    total = us.compile(lambda x: (weight * x).sum())
    with us.no_grad():
        assert not total(us.ones(3)).requires_grad
    total(us.ones(3)).backward()
    assert weight.grad.tolist() == [1.0, 1.0, 1.0]
    assert total.cache_info().misses == 2


class Trainer:
    """Keeps count outside of the step that is compiled."""

    def __init__(self) -> None:
        self.model, self.scale, self.epoch, self.log = small(), 1.0, 0, [0.0]

    def scaled(self, x: Any) -> Any:
        return self.model(x) * self.scale

    def forward(self, x: Any) -> Any:
        with us.no_grad():
            return self.scaled(x)


def test_attributes_that_no_code_of_the_step_mentions_may_change() -> None:
    trainer: Any = Trainer()
    forward = us.compile(trainer.forward)
    for i in range(4):
        forward(BATCHES[0][0])
        trainer.epoch = i
        trainer.log.append(i)
        trainer.extra = i
    assert forward.cache_info().misses == 1
    trainer.scale = 3.0  # mentioned by a method that the step calls
    np.testing.assert_array_equal(forward(BATCHES[0][0]).numpy(), trainer.forward(BATCHES[0][0]).numpy())
    assert forward.cache_info().misses == 2


def test_a_hyperparameter_that_cannot_be_read_changes_nothing() -> None:
    model = small()
    optimizer = us.optim.Adam([{"params": model[0].parameters()}, {"params": model[2].parameters()}])
    step = us.compile(training(model, optimizer)[1])
    step(*BATCHES[0])
    optimizer.param_groups[1]["lr"] = "fast"
    with pytest.raises(TypeError, match="'lr' must be a number"):
        step(*BATCHES[0])
    assert [optimizer.state[layer.weight]["step"].item() for layer in (model[0], model[2])] == [1, 1]


def python_optimizer(parameters: Any) -> Any:
    class Momentum(us.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": 0.1})

        @us.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if "velocity" not in self.state[p]:
                        self.state[p]["velocity"] = us.zeros_like(p)
                    self.state[p]["velocity"].mul_(0.9).add_(p.grad)
                    p.add_(self.state[p]["velocity"], alpha=-group["lr"])

    return Momentum(parameters)


@pytest.mark.parametrize(
    ("make_optimizer", "recaptures"),
    [(python_optimizer, 1), (us.optim.Muon, 0), (us.optim.Adafactor, 0)],
    ids=["own", "Muon", "Adafactor"],
)
def test_optimizers_written_in_python(make_optimizer: Any, recaptures: int) -> None:
    """Those of the library read their numbers at each replay; those of somebody else have them built in."""
    results = []
    for is_compiled in (False, True):
        us.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False))
        optimizer = make_optimizer(model.parameters())
        _, step = training(model, optimizer)
        step = us.compile(step) if is_compiled else step
        losses = []
        for i in range(20):
            optimizer.param_groups[0]["lr"] = 0.1 if i < 10 else 0.05
            losses.append(step(*BATCHES[i % 4]).item())
        results.append((losses, [parameter.tolist() for parameter in model.parameters()]))
    assert results[0] == results[1]
    assert step.cache_info().misses == 2 + recaptures  # making the state, with it, and with the other rate


def test_optimizers_that_look_at_values_are_refused() -> None:
    model = small()
    optimizer = us.optim.LBFGS(model.parameters())

    @us.compile
    def step(x: Any, y: Any) -> Any:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    with pytest.raises(us.CaptureError, match="value of a tensor"):
        step(*BATCHES[0])


def test_what_somebody_holds_out_of_sight_is_refused() -> None:
    class Hidden:
        __slots__ = ("last",)

    hidden = Hidden()

    def f(x: Any) -> Any:
        hidden.last = x * 2
        return hidden.last + 1

    with pytest.raises(us.CaptureError, match=r"mul of shape .* is still held"):
        us.compile(f)(us.ones(3))


class Remembering(nn.Module):
    """Keeps what it computed, and looks at it when it is asked to."""

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self.reads, self.last = reads, None

    def forward(self, x: Any) -> Any:
        if self.reads and self.last is not None:
            x = x + self.last
        self.last = x * 2
        return self.last + 1


def test_what_a_module_keeps_for_looking_at_is_kept_up_to_date() -> None:
    module = Remembering(False)
    step = us.compile(lambda x: module(x))
    for i in range(4):
        assert step(us.full((2,), float(i))).tolist() == [2.0 * i + 1] * 2
        assert module.last.tolist() == [2.0 * i] * 2
    assert (
        step.cache_info().hits == 2
    )  # the first call found nothing kept, so only the second one is a program


@pytest.mark.parametrize("first", ["apart", "shared"])
def test_an_argument_that_shares_memory_with_a_parameter_is_no_other_argument(first: str) -> None:
    """Neither is what was computed before the update taken for what is computed after it, nor written to."""
    other = numbers(64, 64)
    results = []
    for is_compiled in (False, True):
        us.manual_seed(0)
        layer = nn.Linear(64, 64)
        optimizer = us.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any, watched: Any, layer: Any = layer, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            before = (watched * watched).sum()
            loss = layer(x).square().mean()
            loss.backward()
            optimizer.step()
            return before, (watched * watched).sum(), loss

        run = us.compile(step) if is_compiled else step
        mine = other.clone()
        history = []
        for kind in (first, first, "apart", "shared", "apart", "shared"):
            watched = layer.weight.detach() if kind == "shared" else mine
            history.append([value.item() for value in run(other[:8], watched)])
        results.append((history, mine.tolist(), layer.weight.tolist()))
    assert results[0] == results[1]
    assert run.cache_info().misses == 2
    assert results[1][1] == other.tolist()


# ---- what is refused ----


class Holder:
    def __init__(self) -> None:
        self.count = 0
        self.hidden = us.zeros(4)


def counting() -> Step:
    holder = Holder()

    def step(x: Any) -> Any:
        holder.count += 1
        return x * holder.count

    return step


def carrying() -> Step:
    holder = Holder()

    def step(x: Any) -> Any:
        holder.hidden = holder.hidden * 0.5 + x.sum(0)
        return holder.hidden

    return step


def remembering() -> Step:
    module = Remembering(True)

    def step(x: Any) -> Any:
        module(x)
        return module(x)

    return step


def appending() -> Step:
    losses: list[Any] = []

    def step(x: Any) -> Any:
        losses.append(x.sum())
        return losses[-1]

    return step


def scheduling() -> Step:
    model = nn.Linear(4, 1)
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)
    schedule = us.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return step


REFUSED: dict[str, tuple[Callable[[], Step], str]] = {
    "item": (lambda: lambda x: x * x.sum().item(), "item"),
    "float": (lambda: lambda x: x * float(x.sum()), "value of a tensor"),
    "bool": (lambda: lambda x: x if x.sum() > 0 else -x, "fallback"),
    "numpy": (lambda: lambda x: us.from_numpy(x.numpy() * 2), "numpy"),
    "tolist": (lambda: lambda x: us.tensor(x.tolist()), "value of a tensor"),
    "mask": (lambda: lambda x: x[x > 0], "nonzero"),
    "random": (lambda: lambda x: x + us.tensor(np.random.rand(4).astype("float32")), "made from Python data"),
    "counter": (counting, "count was changed"),
    "carried": (carrying, "hidden was changed"),
    "list": (appending, "losses was changed"),
    "schedule": (scheduling, "schedule.*was changed by the step"),
    "result": (lambda: lambda x: {1, 2}, "returned a set"),
    "half": (lambda: lambda x: x.half() + 1, "float16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_captured_says_why(name: str) -> None:
    make, words = REFUSED[name]
    step = us.compile(make())
    with pytest.raises(us.CaptureError, match=words):
        step(numbers(5, 4))
    assert step.cache_info().currsize == 0


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("random", "result")])
def test_with_fallback_it_runs_eagerly_and_says_so_once(name: str) -> None:
    make, _ = REFUSED[name]
    us.manual_seed(0)
    expected_step = make()
    us.manual_seed(0)
    step = us.compile(make(), fallback="eager")
    for i in range(3):
        x = numbers(5, 4, seed=i)
        expected = expected_step(x)
        if i == 0:
            with pytest.warns(UserWarning, match="runs eagerly"):
                got = step(x)
        else:
            got = step(x)
        np.testing.assert_array_equal(got.detach().float().numpy(), expected.detach().float().numpy())


def test_what_a_step_hands_to_its_next_call_is_refused() -> None:
    step = us.compile(remembering())
    step(us.ones(2))  # nothing was there to be read yet
    with pytest.raises(us.CaptureError, match="last was changed"):
        step(us.ones(2))


def test_an_error_in_a_replay_leaves_the_parameters() -> None:
    model = small()
    optimizer = us.optim.Adam(model.parameters())
    step = us.compile(training(model, optimizer)[1])
    step(*BATCHES[0])
    weights = [parameter.tolist() for parameter in model.parameters()]
    with pytest.raises(IndexError, match=r"target 7 is out of range[\s\S]*no parameter was updated"):
        step(BATCHES[0][0], us.full((6,), 7))
    assert [parameter.tolist() for parameter in model.parameters()] == weights
    assert optimizer.state[model[0].weight]["step"].item() == 1
    step(*BATCHES[0])
    assert optimizer.state[model[0].weight]["step"].item() == 2


def test_an_error_while_capturing_is_the_users_own() -> None:
    step = us.compile(lambda x: x @ us.ones(3, 3))
    with pytest.raises(RuntimeError, match="do not multiply"):
        step(us.ones(2, 2))
    assert step(us.ones(2, 3)).tolist() == [[3.0] * 3] * 2


def test_arguments_are_checked() -> None:
    with pytest.raises(TypeError, match="function or a module"):
        us.compile(3)
    with pytest.raises(ValueError, match="fallback"):
        us.compile(small(), fallback="numpy")
    with pytest.raises(ValueError, match="cache_size"):
        us.compile(small(), cache_size=0)
    model = small()
    assert us.compile(model, disable=True) is model
    with pytest.raises(RuntimeError, match="nothing has been captured"):
        us.compile(lambda x: x).explain()


def test_dtypes_and_devices_may_be_attributes_of_what_a_step_reads() -> None:
    model = nn.Linear(2, 2)
    model.kind, model.place = us.float32, us.device("cpu")
    kind = us.float32
    forward = us.compile(lambda x: model(x.to(model.kind)) + x.to(kind))
    x = us.ones(1, 2)
    with us.no_grad():
        assert forward(x).tolist() == forward(x).tolist() == (model(x) + x).tolist()
    assert us.dtype.__module__ == us.float32.__module__ == "unspool"


@pytest.mark.parametrize("wind", [lambda state: us.manual_seed(3), us.set_rng_state])
def test_a_step_that_sets_the_generator_is_refused(wind: Any) -> None:
    state = us.get_rng_state()

    def step(x: Any) -> Any:
        wind(state)
        return x + us.rand(2)

    with pytest.raises(us.CaptureError, match="cannot set it"):
        us.compile(step)(us.zeros(2))
    tolerant = us.compile(step, fallback="eager")
    with pytest.warns(UserWarning, match="cannot set it"):
        first = tolerant(us.zeros(2))
    assert us.equal(tolerant(us.zeros(2)), first)
