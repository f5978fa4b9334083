"""Updates while unwinding touch nothing that is still read, hold one gradient, and name what they refuse."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from steps import labels, numbers, small
from unspool import nn


def both(loss_of: Any, values: list[Any], lr: float = 0.1) -> None:
    """One step in two phases and one while unwinding, by either engine, give the same parameters."""
    results = []
    for engine in (None, "loop", "recursive"):
        parameters = [nn.Parameter(value.clone()) for value in values]
        optimizer = us.optim.SGD(parameters, lr=lr)
        loss = loss_of(*parameters)
        if engine:
            loss.backward(step=optimizer, engine=engine)
        else:
            loss.backward()
            optimizer.step()
        results.append([p.detach().numpy() for p in parameters])
    for two_phases, *others in zip(*results, strict=True):
        for other in others:
            np.testing.assert_array_equal(two_phases, other)


# --- what is still to be read


def test_cotangents_come_from_the_weights_before_the_update() -> None:
    """The trap: W2 changed in place before W2' dZ2 is formed gives dA1 of another network."""
    x, target = numbers(32, 4).double(), (numbers(32, 1, seed=1) > 0).double()
    w1, w2 = numbers(4, 4, seed=2).double(), numbers(4, 1, seed=3).double()

    def train(way: str) -> list[float]:
        parameters = [nn.Parameter(w1.clone()), nn.Parameter(w2.clone())]
        optimizer = us.optim.SGD(parameters, lr=0.5)
        costs = []
        for _ in range(50):
            hidden = us.tanh(x @ parameters[0])
            loss = F.binary_cross_entropy_with_logits(hidden @ parameters[1], target)
            costs.append(loss.item())
            if way == "unwinding":
                loss.backward(step=optimizer)
            elif way == "two phases":
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            else:
                with us.no_grad():
                    back = (us.sigmoid(hidden @ parameters[1]) - target) / 32
                    parameters[1].sub_(hidden.T @ back, alpha=0.5)  # too early
                    inner = (back @ parameters[1].T) * (1 - hidden**2)
                    parameters[0].sub_(x.T @ inner, alpha=0.5)
        return costs

    right = train("two phases")
    assert train("unwinding") == right
    assert abs(train("trap")[-1] - right[-1]) > 1e-4


@pytest.mark.parametrize("alias", [lambda w: w.detach(), lambda w: w.data, lambda w: w.detach()[:]])
def test_an_update_waits_for_readers_that_need_no_gradient(alias: Any) -> None:
    # The gradient of w is complete at the product; the earlier product still reads the memory of w.
    both(lambda w, v: (us.sin(v * alias(w)) * w).sum(), [numbers(5), numbers(5, seed=1)])


def test_an_update_waits_for_readers_by_another_array() -> None:
    memory = np.arange(8, dtype=np.float32)

    def train(update: bool) -> Any:
        values = memory.copy()
        w, v = nn.Parameter(us.from_numpy(values[2:6])), nn.Parameter(us.ones(8))
        optimizer = us.optim.SGD([w, v], lr=0.1)
        loss = (us.sin(v * us.from_numpy(values))[:4] * w).sum()
        if update:
            loss.backward(step=optimizer)
        else:
            loss.backward()
            optimizer.step()
        return [w.detach().numpy().copy(), v.detach().numpy().copy()]

    for one, other in zip(train(False), train(True), strict=True):
        np.testing.assert_array_equal(one, other)


def test_parameters_that_share_memory_are_updated_in_the_order_of_the_optimizer() -> None:
    def train(update: bool) -> Any:
        memory = numbers(6)
        a, b = nn.Parameter(memory[:4].detach()), nn.Parameter(memory[2:].detach())
        optimizer = us.optim.SGD([a, b], lr=0.1, weight_decay=0.3)
        for _ in range(5):
            loss = (us.sin(a) * b).sum() + (a**2).sum()
            if update:
                loss.backward(step=optimizer)
            else:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return memory.numpy()

    np.testing.assert_array_equal(train(False), train(True))


def test_a_cotangent_that_is_the_parameter_itself_is_kept_apart() -> None:
    class Linear(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, v: Any, w: Any) -> Any:
            ctx.save_for_backward(v, w)
            return (v * w).sum()

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            v, w = ctx.saved_tensors
            return w, v  # right where the cotangent is 1

    both(lambda v, w: Linear.apply(us.exp(v), w), [numbers(5), numbers(5, seed=1)])


def test_gradients_that_are_parameters_do_not_change_with_them() -> None:
    both(lambda v, w: us.stack([us.sin(v), us.cos(v)]).mul(w).sum(), [numbers(5), numbers(2, 5, seed=1)])
    w = nn.Parameter(numbers(5))
    v = nn.Parameter(numbers(5, seed=1))
    before = w.detach().clone()
    us.sin(v).mul(w).backward(w.detach(), step=us.optim.SGD([v, w], lr=1.0))
    expected = numbers(5, seed=1) - before**2 * us.cos(numbers(5, seed=1))
    np.testing.assert_allclose(v.detach().numpy(), expected.numpy(), rtol=1e-6)


def test_in_place_changes_and_views_of_intermediate_values() -> None:
    def loss(w: Any, v: Any) -> Any:
        h = us.tanh(w.view(2, 3)).clone()
        h[0].mul_(v)
        h[1] = w[:3] * v
        return (h @ w.view(3, 2)).pow(2).sum()

    both(loss, [numbers(6), numbers(3, seed=1)])


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs(seed: int) -> None:
    def loss(*parameters: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = list(parameters)
        for _ in range(rng.integers(3, 25)):
            a, b = (values[i] for i in rng.integers(0, len(values), 2))
            if rng.random() < 0.2:
                b = b.detach() if rng.random() < 0.5 else b.data
            made = [
                lambda a, b: a @ b,
                lambda a, b: us.tanh(a) * b,
                lambda a, b: a.t() + us.sin(b),
                lambda a, b: us.cat([a[:1], b[1:]]),
                lambda a, b: a * us.sigmoid(b[0]),
            ][rng.integers(0, 5)]
            values.append(us.tanh(made(a, b)))
        return us.stack([value.mean() for value in values[-3:]]).sum() + 0 * values[0].sum()

    both(loss, [numbers(3, 3, seed=i) for i in range(4)])


@pytest.mark.parametrize("update", [False, True])
def test_a_program_refuses_memory_by_two_names(update: bool) -> None:
    v, w = nn.Parameter(numbers(8192)), nn.Parameter(numbers(8192, seed=1))
    optimizer, other = us.optim.SGD([v, w], lr=0.1), w.data

    @us.compile
    def step() -> None:
        loss = (us.sin(v * other) * w).sum()
        if update:
            loss.backward(step=optimizer)
        else:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    with pytest.raises(us.CaptureError, match=r"x\.data"):
        step()


# --- code of the user's


class Reads(us.autograd.Function):
    """x * w, where ``backward`` looks at w by ``keep``."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, keep: str) -> Any:
        ctx.keep = keep
        if keep == "saved":
            ctx.save_for_backward(w.detach())
        elif keep == "attribute":
            ctx.w = [w.detach()]
        else:
            Reads.w = w.detach()
        return x * w

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        if ctx.keep == "saved":
            (w,) = ctx.saved_tensors
        else:
            w = ctx.w[0] if ctx.keep == "attribute" else Reads.w
        return cotangents[0] * w, None, None


@pytest.mark.parametrize("keep", ["saved", "attribute"])
def test_what_a_function_keeps_is_read_before_the_update(keep: str) -> None:
    both(lambda v, w: (Reads.apply(us.sin(v), w.detach(), keep) * w).sum(), [numbers(5), numbers(5, seed=1)])


@pytest.mark.parametrize("compiled", [False, True])
def test_a_function_that_reads_an_updated_parameter_past_the_tape_is_refused(compiled: bool) -> None:
    v, w = nn.Parameter(numbers(5)), nn.Parameter(numbers(5, seed=1))
    optimizer = us.optim.SGD([v, w], lr=0.1)

    def step() -> None:
        (Reads.apply(us.sin(v), w.detach(), "nowhere") * w).sum().backward(step=optimizer)

    with pytest.raises(RuntimeError, match=r"mul, called by a hook or .*ctx\.save_for_backward") as caught:
        (us.compile(step) if compiled else step)()
    assert "1 parameters had been updated before this" in caught.value.__notes__[0]


def test_a_hook_that_reads_an_updated_parameter_is_refused() -> None:
    v, w = nn.Parameter(numbers(5)), nn.Parameter(numbers(5, seed=1))
    h = us.sin(v)
    h.register_hook(lambda g: g * w.detach())
    with pytest.raises(RuntimeError, match="already updated"):
        (h * w).sum().backward(step=us.optim.SGD([v, w], lr=0.1))
    h = us.sin(v)
    h.register_hook(lambda g: print(w.tolist()))
    with pytest.raises(RuntimeError, match="already updated"):
        (h * w).sum().backward(step=us.optim.SGD([v, w], lr=0.1))


def test_hooks_change_and_replace_gradients_as_ever() -> None:
    def loss(v: Any, w: Any) -> Any:
        v.register_hook(lambda g: g * 2)
        v.register_post_accumulate_grad_hook(lambda p: p.grad.clamp_(-0.5, 0.5))
        w.register_hook(lambda g: g + 1)
        w.register_post_accumulate_grad_hook(lambda p: p.grad.add_(p.detach(), alpha=0.1))
        h = us.sin(v) * w
        h.register_hook(lambda g: g * 3)
        return h.sum()

    both(loss, [numbers(5), numbers(5, seed=1)])


def test_a_hook_may_keep_a_parameter_from_being_updated() -> None:
    w = nn.Parameter(numbers(5))

    def drop(p: Any) -> None:
        p.grad = None

    w.register_post_accumulate_grad_hook(drop)
    before = w.tolist()
    w.sum().backward(step=us.optim.SGD([w], lr=0.1))
    assert w.tolist() == before


# --- what is held


def test_at_most_the_largest_gradient_is_held() -> None:
    sizes = [64, 256, 512, 256, 128, 512, 64]
    pairs = list(itertools.pairwise(sizes))
    model = nn.Sequential(*[layer for m, n in pairs for layer in (nn.Linear(m, n), nn.Tanh())])
    optimizer = us.optim.AdamW(model.parameters())
    x = numbers(2, 64)
    largest = max(p.nbytes for p in model.parameters())
    present: list[int] = []
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _: present.append(sum(p._grad.nbytes for p in model.parameters() if p._grad is not None))
        )

    def growth(clip: str | None) -> int:
        """Bytes that the unwinding takes beyond what there is after the forward pass."""
        optimizer.zero_grad()
        loss = model(x).sum()
        us.reset_peak_memory_stats()
        before = us.memory_stats()["allocated_bytes"]
        loss.backward(step=optimizer, clip=clip, max_norm=0.1 if clip else None)
        return int(us.memory_stats()["peak_allocated_bytes"]) - before

    cotangents = 2 * 3 * max(sizes) * 4  # of a layer: two rows, before, at and after it
    for clip in (None, "exact", "previous"):
        growth(clip)
        present.clear()
        assert growth(clip) <= largest + cotangents + 4096
        assert max(present) == largest


@pytest.mark.parametrize("largest", [16, 4095, 4096, 4097, 6000])
def test_small_gradients_may_wait_for_each_other(largest: int) -> None:
    sizes = [3, largest, 2000, 1000, 1000, largest, 7, 90]

    def loss(*values: Any) -> Any:
        total = us.zeros(())
        for value in values:
            total = us.sin(total + (value[:3] * value[-3:]).sum()) + value.pow(2).mean()
        return total

    both(loss, [numbers(n, seed=i) for i, n in enumerate(sizes)])


def test_small_gradients_that_wait_are_few() -> None:
    parameters = [nn.Parameter(numbers(1000)) for _ in range(100)]
    loss = us.zeros(())
    for parameter in parameters:
        loss = us.sin(loss + parameter.mean())
    us.reset_peak_memory_stats()
    before = us.memory_stats()["allocated_bytes"]
    loss.backward(step=us.optim.SGD(parameters, lr=0.1))
    assert us.memory_stats()["peak_allocated_bytes"] - before <= 4000 + 3 * 4000 + 4096


def test_an_error_in_the_middle_leaves_what_was_complete_updated() -> None:
    def stop(_: Any) -> None:
        raise ZeroDivisionError

    expected, found = small(), small()
    found.load_state_dict(expected.state_dict())
    loss = loss_of(expected)
    adam = us.optim.Adam(expected.parameters())
    loss.backward()
    adam.step()
    found[0].register_full_backward_pre_hook(lambda *_: stop(_))
    adam = us.optim.Adam(found.parameters())
    before = found[0].weight.tolist()
    with pytest.raises(ZeroDivisionError) as caught:
        loss_of(found).backward(step=adam)
    assert "2 parameters had been updated before this" in caught.value.__notes__[0]
    assert found[0].weight.tolist() == before
    assert not adam.state.get(found[0].weight)
    np.testing.assert_array_equal(found[2].weight.detach(), expected[2].weight.detach())
    assert [adam.state[p]["step"].item() for p in found[2].parameters()] == [1, 1]


def test_a_replay_holds_no_more_gradients() -> None:
    model = nn.Sequential(*[nn.Linear(128, 128, bias=False) for _ in range(8)])
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)
    one = 128 * 128 * 4
    for clip in (None, "exact", "previous"):

        @us.compile
        def step(x: Any, clip: Any = clip) -> None:
            model(x).sum().backward(step=optimizer, clip=clip, max_norm=0.1 if clip else None)

        for _ in range(3):
            step(numbers(2, 128))
        arena = step._described()["arena_bytes"]
        assert arena < 2 * one, clip
        assert all(p._grad is None for p in model.parameters())


# --- what is refused


def loss_of(model: Any) -> Any:
    return F.cross_entropy(model(numbers(5, 4)), labels(5, 3))


def test_the_gradient_of_an_updated_parameter_says_where_it_went() -> None:
    model = small()
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)
    loss_of(model).backward(step=optimizer)
    with pytest.raises(RuntimeError, match=r"used by backward\(step=...\)"):
        model[0].weight.grad  # noqa: B018
    with pytest.raises(RuntimeError, match="used by backward"):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    copied = copy.deepcopy(model)
    model.double()
    model.zero_grad()
    assert model[0].weight.grad is None
    assert copied[0].weight.grad is None
    loss_of(copied).backward()
    assert copied[0].weight.grad is not None


@pytest.mark.parametrize("clear", ["optimizer", "optimizer to zero", "model", "none", "value", "backward"])
def test_gradients_can_be_read_again_after(clear: str) -> None:
    model = small()
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)
    loss_of(model).backward(step=optimizer)
    weight = model[0].weight
    if clear == "backward":
        loss_of(model).backward()
    elif clear == "none":
        weight.grad = None
    elif clear == "value":
        weight.grad = us.ones_like(weight)
    elif clear == "model":
        model.zero_grad()
    else:
        optimizer.zero_grad(set_to_none=clear == "optimizer")
    assert (weight.grad is None) == (clear not in ("value", "backward"))


def test_a_replay_leaves_the_same_message() -> None:
    model = small()
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)

    @us.compile
    def step(x: Any, y: Any) -> None:
        F.cross_entropy(model(x), y).backward(step=optimizer)

    for _ in range(3):
        optimizer.zero_grad()
        step(numbers(5, 4), labels(5, 3))
        with pytest.raises(RuntimeError, match="used by backward"):
            model[0].weight.grad  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"retain_graph": True}, ValueError, "retain_graph=True keeps the tape"),
        ({"create_graph": True}, ValueError, "create_graph=True records"),
        ({"clip": "exact"}, ValueError, "clip='exact' needs max_norm"),
        ({"max_norm": 1.0}, ValueError, 'max_norm needs clip="exact"'),
        ({"clip": "norm", "max_norm": 1.0}, ValueError, "clip must be None"),
        ({"step": []}, ValueError, "list of optimizers is empty"),
        ({"step": 0.1}, TypeError, "step must be an optimizer .* not float"),
        ({"step": None, "clip": "exact"}, ValueError, "belong to step="),
    ],
)
def test_what_cannot_be_combined(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    model = small()
    before = model[0].weight.tolist()
    arguments = {"step": us.optim.SGD(model.parameters(), lr=0.1), **arguments}
    with pytest.raises(error, match=message):
        loss_of(model).backward(**arguments)
    with pytest.raises(error, match=message):
        us.autograd.backward([loss_of(model)], **arguments)
    assert model[0].weight.tolist() == before


def test_optimizers_that_cannot_update_one_parameter() -> None:
    model = small()

    class Noisy(us.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    class Own(us.optim.Optimizer):
        def step(self, closure: Any = None) -> Any:
            return None

    for optimizer, why in (
        (us.optim.LBFGS(model.parameters()), "LBFGS .* evaluates the loss several times"),
        (us.optim.SparseAdam(model.parameters()), "SparseAdam .* sparse gradients"),
        (Noisy(model.parameters()), "Noisy changes step"),
        (Own(model.parameters(), {}), "does not define step_parameter"),
    ):
        with pytest.raises(NotImplementedError, match=why):
            loss_of(model).backward(step=optimizer)


def test_an_optimizer_of_ones_own() -> None:
    class Signs(us.optim.Optimizer):
        def step_parameter(self, parameter: Any, group: dict[str, Any]) -> None:
            parameter.sub_(parameter.grad.sign(), alpha=group["lr"])

        def step(self, closure: Any = None) -> Any:
            return self._update_each(closure)

    results = []
    for update in (False, True):
        us.manual_seed(0)
        model = small()
        optimizer = Signs(model.parameters(), {"lr": 0.01})
        for _ in range(5):
            loss = loss_of(model)
            if update:
                loss.backward(step=optimizer)
            else:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        results.append([p.tolist() for p in model.parameters()])
    assert results[0] == results[1]


def test_an_optimizer_of_other_parameters_is_refused() -> None:
    model, other = small(), small()
    optimizer = us.optim.SGD(other.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="does not depend on any parameter of the optimizer"):
        loss_of(model).backward(step=optimizer)
    mine = us.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="of optimizer 1"):
        loss_of(model).backward(step=[mine, optimizer])
    with pytest.raises(ValueError, match="listed twice"):
        loss_of(model).backward(step=[mine, mine])


def test_step_hooks() -> None:
    model, called = small(), []
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(lambda *_: called.append("post"))
    loss_of(model).backward(step=optimizer)
    assert called == ["post"]
    optimizer.register_step_pre_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="SGD has a step pre-hook"):
        loss_of(model).backward(step=optimizer)


def test_memory_that_cannot_be_written_is_refused_before_anything_changes() -> None:
    fixed = np.ones(3, dtype=np.float32)
    fixed.setflags(write=False)
    w, v = nn.Parameter(us.from_numpy(fixed)), nn.Parameter(us.ones(3))
    with pytest.raises(RuntimeError, match=r"read-only .*parameter 0"):
        (w * v).sum().backward(step=us.optim.SGD([w, v], lr=0.1))
    assert v.tolist() == [1, 1, 1]


def test_an_error_in_the_middle_counts_what_was_updated_and_no_more_steps() -> None:
    model = small()
    optimizer = us.optim.Adam(model.parameters())

    def fail(gradient: Any) -> None:
        raise ArithmeticError("no")

    model[0].bias.register_hook(fail)
    with pytest.raises(ArithmeticError) as caught:
        loss_of(model).backward(step=optimizer)
    assert "parameters had been updated before this" in caught.value.__notes__[0]
    counted = [optimizer.state[p]["step"].item() if optimizer.state[p] else 0 for p in model.parameters()]
    assert counted[2:] == [1, 1]
    assert counted[1] == 0


def test_an_error_in_a_replay_puts_back_the_counters_of_updates_that_were_not_reached() -> None:
    table = nn.Parameter(numbers(4, 3))
    last = nn.Linear(3, 2)
    optimizer = us.optim.Adam([table, *last.parameters()], lr=0.1)

    @us.compile
    def step(index: Any) -> None:
        loss = last(F.embedding(index, table)).sum()
        loss.backward(step=optimizer)

    good = us.tensor([0, 1])
    step(good)
    step(good)
    with pytest.raises(IndexError):
        step(us.tensor([0, 9]))
    assert [optimizer.state[p]["step"].item() for p in (table, *last.parameters())] == [2, 2, 2]
    step(good)
    assert optimizer.state[table]["step"].item() == 3
