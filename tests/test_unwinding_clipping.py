"""Clipping and loss scaling in ``backward(step=optimizer)``: norms, weights and scales of the usual calls."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from test_unwinding_updates import Knotted, assert_same, run

import unspool as us
import unspool.nn.functional as F
from steps import labels, numbers
from unspool import nn

LIMIT = 0.3


def adamw(model: Any) -> Any:
    return us.optim.AdamW(model.parameters(), lr=0.01)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("exponent", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [LIMIT, 1e6])
def test_exact_clipping_is_that_of_clip_grad_norm(exponent: float, limit: float, compiled: bool) -> None:
    def usual(model: Any, optimizer: Any, loss: Any) -> Any:
        optimizer.zero_grad()
        loss.backward()
        total = nn.utils.clip_grad_norm_(model.parameters(), limit, exponent)
        optimizer.step()
        return total

    def unwinding(model: Any, optimizer: Any, loss: Any) -> Any:
        del model
        return loss.backward(step=optimizer, clip="exact", max_norm=limit, norm_type=exponent)

    assert_same(run(Knotted, adamw, usual), run(Knotted, adamw, unwinding, compiled=compiled))


@pytest.mark.parametrize("compiled", [False, True])
def test_previous_clipping_uses_the_norm_of_the_step_before(compiled: bool) -> None:
    before: list[Any] = []

    def by_hand(model: Any, optimizer: Any, loss: Any) -> Any:
        optimizer.zero_grad()
        loss.backward()
        total = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        nn.utils.clip_grads_with_norm_(model.parameters(), LIMIT, before[-1] if before else total)
        before.append(total)
        optimizer.step()
        return total

    def unwinding(model: Any, optimizer: Any, loss: Any) -> Any:
        del model
        return loss.backward(step=optimizer, clip="previous", max_norm=LIMIT)

    assert_same(run(Knotted, adamw, by_hand), run(Knotted, adamw, unwinding, compiled=compiled))


@pytest.mark.parametrize("compiled", [False, True])
def test_the_previous_norm_survives_saving_and_loading(compiled: bool) -> None:
    def step_of(model: Any, optimizer: Any) -> Any:
        def once(x: Any, y: Any) -> Any:
            return F.cross_entropy(model(x), y).backward(step=optimizer, clip="previous", max_norm=LIMIT)

        return us.compile(once) if compiled else once

    x, y = numbers(8, 4), labels(8, 3)
    model = Knotted()
    optimizer = adamw(model)
    step = step_of(model, optimizer)
    for _ in range(5):
        step(x, y)
    other = Knotted()
    stopped = adamw(other)
    resumed = step_of(other, stopped)
    resumed(x, y)  # a norm of its own, which loading replaces
    resumed(x, y)
    other.load_state_dict(model.state_dict())
    stopped.load_state_dict(optimizer.state_dict())
    for _ in range(5):
        step(x, y)
        resumed(x, y)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_a_limit_that_changes_is_followed_by_a_compiled_step() -> None:
    model, limit = Knotted(), [0.5]
    optimizer = us.optim.SGD(model.parameters(), lr=1.0)

    @us.compile
    def step(x: Any, y: Any, most: float) -> Any:
        return F.cross_entropy(model(x), y).backward(step=optimizer, clip="exact", max_norm=most)

    x, y = numbers(8, 4), labels(8, 3)
    for limit in (0.5, 0.25, 0.125):
        before = [p.detach().clone() for p in model.parameters()]
        step(x, y, limit)
        moved = us.stack([(p - q).norm() for p, q in zip(model.parameters(), before, strict=True)]).norm()
        assert moved.item() == pytest.approx(limit, rel=1e-4)
    assert step.cache_info().misses == 1


@pytest.mark.parametrize("clip", ["exact", "previous"])
def test_earlier_micro_batches_count_in_the_norm(clip: str) -> None:
    def train(usual: bool) -> list[Any]:
        model = Knotted()
        optimizer = adamw(model)
        totals = []
        for _ in range(1 if clip == "previous" else 5):
            optimizer.zero_grad()
            (F.cross_entropy(model(numbers(8, 4)), labels(8, 3)) + model.unused.sum()).backward()
            loss = F.cross_entropy(model(numbers(8, 4, seed=1)), labels(8, 3))
            if usual:
                loss.backward()
                totals.append(nn.utils.clip_grad_norm_(model.parameters(), LIMIT))
                optimizer.step()
            else:
                totals.append(loss.backward(step=optimizer, clip=clip, max_norm=LIMIT))
        return [each.detach().numpy() for each in [*totals, *model.parameters()]]

    assert_same(train(True), train(False))


def test_the_first_of_two_unwindings_leaves_no_trace() -> None:
    model, seen = Knotted(), []
    x = numbers(8, 4)
    x.requires_grad_()
    hidden = us.tanh(model(x))
    hidden.retain_grad()
    optimizer = us.optim.SGD([model.first], lr=0.1)
    model.tied.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
    F.cross_entropy(hidden, labels(8, 3)).backward(step=optimizer, clip="exact", max_norm=LIMIT)
    plain = Knotted()
    y = numbers(8, 4)
    y.requires_grad_()
    other = us.tanh(plain(y))
    other.retain_grad()
    F.cross_entropy(other, labels(8, 3)).backward()
    for found, expected in ((x, y), (hidden, other), (model.tied, plain.tied)):
        np.testing.assert_array_equal(found.grad.numpy(), expected.grad.numpy())
    assert len(seen) == 2  # hooks run in both


# --- scaling


@pytest.mark.parametrize("clip", [None, "exact"])
def test_scaled_losses_step_as_by_scaler_step(clip: str | None) -> None:
    def train(usual: bool) -> list[Any]:
        model = Knotted()
        optimizer = adamw(model)
        scaler = us.amp.GradScaler("cpu", init_scale=2.0**120, growth_interval=3)
        history = []
        for i in range(40):
            optimizer.zero_grad()
            loss = scaler.scale(F.cross_entropy(model(numbers(8, 4, seed=i)), labels(8, 3)))
            if usual:
                loss.backward()
                if clip:
                    scaler.unscale_(optimizer)
                    history.append(nn.utils.clip_grad_norm_(model.parameters(), LIMIT).item())
                scaler.step(optimizer)
            else:
                total = loss.backward(
                    step=optimizer, scaler=scaler, clip=clip, max_norm=LIMIT if clip else None
                )
                if total is not None:
                    history.append(total.item())
            scaler.update()
            history.append(scaler.get_scale())
        scales = history[1::2] if clip else history
        assert any(b < a for a, b in itertools.pairwise(scales))  # some steps were left out
        return [np.array(history), *[p.detach().numpy() for p in model.parameters()]]

    assert_same(train(True), train(False))


def test_each_optimizer_is_left_out_for_its_own_gradients() -> None:
    scaler = us.amp.GradScaler("cpu", init_scale=4.0)
    good, bad = nn.Parameter(us.ones(3)), nn.Parameter(us.zeros(3))
    optimizers = [us.optim.SGD([good], lr=1.0), us.optim.SGD([bad], lr=1.0)]
    loss = (good * 2).sum() + bad.sqrt().sum()
    scaler.scale(loss).backward(step=optimizers, scaler=scaler)
    scaler.update()
    np.testing.assert_array_equal(good.detach().numpy(), [-1, -1, -1])
    np.testing.assert_array_equal(bad.detach().numpy(), [0, 0, 0])
    assert scaler.get_scale() == 2.0


def test_a_disabled_scaler_changes_nothing() -> None:
    scaler = us.amp.GradScaler("cpu", enabled=False)
    w = nn.Parameter(us.ones(3))
    scaler.scale((w * 2).sum()).backward(step=us.optim.SGD([w], lr=1.0), scaler=scaler)
    np.testing.assert_array_equal(w.detach().numpy(), [-1, -1, -1])


def test_unscaling_twice_is_refused() -> None:
    scaler = us.amp.GradScaler("cpu")
    w = nn.Parameter(us.ones(3))
    optimizer = us.optim.SGD([w], lr=1.0)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="since the last update"):
        scaler.scale(w.sum()).backward(step=optimizer, scaler=scaler)
