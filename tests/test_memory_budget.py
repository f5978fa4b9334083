"""Budgets: never exceeded, the same bits whatever the budget, and an error that names the smallest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from budget_models import CHAINS, MODELS, made

import unspool as us
from unspool import Tensor, _core, nn
from unspool._recompute.budget import bytes_of, text_of

Bits = list[np.ndarray[Any, Any]]


def used() -> int:
    return int(us.memory_stats()["allocated_bytes"])


def stepped(name: str, run: Callable[[nn.Module, Tensor], None]) -> tuple[Bits, int, int]:
    """Gradients, buffers and the next random number after a step; the allocator's peak and base."""
    model, x = made(name)
    us.manual_seed(5)
    base = used()
    us.reset_peak_memory_stats()
    run(model, x)
    peak = int(us.memory_stats()["peak_allocated_bytes"])
    tensors = [p.grad for p in model.parameters()] + list(model.buffers()) + [us.rand(1)]
    return [t.detach().numpy().copy() for t in tensors if t is not None], peak, base


def plainly(model: nn.Module, x: Tensor) -> None:
    model(x).pow(2).mean().backward()


def is_same(a: Bits, b: Bits) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_a_budget_is_kept_and_changes_no_bit(name: str) -> None:
    plain, peak, base = stepped(name, plainly)
    most = peak - base
    fitting, smallest = 0, ["1"]
    for part in (1.2, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):

        def limited(model: nn.Module, x: Tensor, part: float = part) -> None:
            budget = used() + round(most * part)
            with us.memory_budget(budget):
                plainly(model, x)

        try:
            bits, reached, now = stepped(name, limited)
        except MemoryError as error:
            smallest = re.findall(r"the smallest budget for this point is (\d+) bytes", str(error))
            break
        fitting += part < 1
        assert reached <= now + round(most * part)
        assert is_same(bits, plain)
    assert fitting >= 1
    assert len(smallest) == 1


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_keeps_its_budget_and_changes_no_bit(name: str) -> None:
    plain, _, _ = stepped(name, plainly)
    for factor in (1.0, 1.1, 1.3, 1.7, 2.5, 4.0, 20.0):
        budgets = []

        def limited(
            model: nn.Module, x: Tensor, factor: float = factor, budgets: list[int] = budgets
        ) -> None:
            assert isinstance(model, nn.Sequential)
            with pytest.raises(ValueError, match="too small") as raised:
                us.checkpoint_sequential(model, x, "1 kB")
            least = bytes_of(
                re.findall(r"the smallest budget for this model and input is (.*)$", str(raised.value))[0]
            )
            del raised
            budgets.append(round(least * factor))
            us.reset_peak_memory_stats()
            us.checkpoint_sequential(model, x, budgets[0]).pow(2).mean().backward()

        bits, reached, _ = stepped(name, limited)
        assert reached <= budgets[0]
        assert is_same(bits, plain)


def test_a_larger_budget_never_gets_a_slower_plan() -> None:
    from unspool._recompute.chain import _chain_of

    model, x = made("deep MLP")
    assert isinstance(model, nn.Sequential)
    plans = sorted(_chain_of(model, x).plans, key=lambda plan: plan.bytes)
    best = [min(p.time for p in plans[: i + 1]) for i in range(len(plans))]
    assert best == sorted(best, reverse=True)
    assert len({plan.bytes for plan in plans}) > 10


def test_measuring_leaves_no_trace() -> None:
    model, x = made("CNN")
    assert isinstance(model, nn.Sequential)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = us.get_rng_state()
    with pytest.raises(ValueError, match="too small"):
        us.checkpoint_sequential(model, x, 1)
    assert np.array_equal(us.get_rng_state().numpy(), state.numpy())
    assert all(
        np.array_equal(value.numpy(), before[name].numpy()) for name, value in model.state_dict().items()
    )
    assert all(p.grad is None for p in model.parameters())


def test_many_steps_in_one_block() -> None:
    def train(budget: int | None) -> list[float]:
        model, x = made("deep MLP")
        optimizer = us.optim.AdamW(model.parameters(), lr=0.01)
        losses = []

        def step() -> None:
            optimizer.zero_grad()
            loss = model(x).pow(2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

        step()
        if budget is None:
            for _ in range(5):
                step()
            return losses
        limit = used() + budget
        with us.memory_budget(limit):
            us.reset_peak_memory_stats()
            for _ in range(5):
                step()
            assert us.memory_stats()["peak_allocated_bytes"] <= limit
        return losses

    before = _core._replayed_calls()
    plain = train(None)
    assert _core._replayed_calls() == before
    assert train(100_000) == plain
    assert _core._replayed_calls() > before


def test_budgets_inside_of_budgets_and_parts_inside_of_both() -> None:
    model, x = made("GPT")
    assert isinstance(model, nn.Sequential)
    us.manual_seed(5)
    plainly(model, x)
    plain = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    us.manual_seed(5)
    with us.memory_budget("1 GB"), us.memory_budget(used() + 1_200_000):
        h = us.checkpoint(model[:2], x)
        model[2:](h).pow(2).mean().backward()
    assert all(
        np.array_equal(a.numpy(), p.grad.numpy())
        for a, p in zip(plain, model.parameters(), strict=True)
        if p.grad is not None
    )


def test_gradients_of_gradients_under_a_budget() -> None:
    w = us.randn(32, 32, requires_grad=True)

    def second() -> Tensor:
        h = w
        for _ in range(6):
            h = us.tanh(h @ w)
        (first,) = us.autograd.grad(h.sum(), w, create_graph=True)
        return us.autograd.grad(first.pow(2).sum(), w)[0]

    plain = second()
    with us.memory_budget(used() + 200_000):
        limited = second()
    assert np.array_equal(plain.numpy(), limited.numpy())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("200 MB", 200_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("4096", 4096),
        (77, 77),
        ("2kb", 2000),
        ("3 B", 3),
    ],
)
def test_amounts(text: str | int, count: int) -> None:
    assert bytes_of(text) == count


@pytest.mark.parametrize("wrong", ["", "MB", "12 apples", "-3 MB", 0, -1, "0 MB"])
def test_amounts_that_are_none(wrong: str | int) -> None:
    with pytest.raises(ValueError, match="memory_budget"):
        bytes_of(wrong)
    with pytest.raises(TypeError, match="memory_budget"):
        bytes_of(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 123_456, 99_999_999, 7_654_321_987])
def test_a_text_is_enough_as_a_budget(count: int) -> None:
    assert count <= bytes_of(text_of(count)) <= count * 1.1 + 1


def test_what_a_chain_refuses() -> None:
    with pytest.raises(TypeError, match="expected a Sequential, not Linear"):
        us.checkpoint_sequential(nn.Linear(2, 2), us.ones(2), 1000)  # type: ignore[arg-type]
    model = nn.Sequential(nn.Linear(2, 2))

    @us.compile
    def step(x: Tensor) -> Tensor:
        return us.checkpoint_sequential(model, x, "1 MB").sum()

    with pytest.raises(NotImplementedError, match="memory_budget"):
        step(us.ones(1, 2))
