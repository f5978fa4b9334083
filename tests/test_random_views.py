"""Random programs of views and in-place changes: gradients against differences, and replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import unspool as us
from unspool.autograd import gradcheck

# Each takes a tensor of the pool, another one, and a leaf with one element; what it gives out joins the pool.
VIEWS: list[Callable[[Any], Any]] = [
    lambda t: t.transpose(0, -1),
    lambda t: t[1:],
    lambda t: t[..., ::2],
    lambda t: t.select(0, -1).unsqueeze(0),
    lambda t: t.reshape(t.shape),
    lambda t: t.detach(),
    lambda t: t.unbind(0)[0].unsqueeze(-1),
    lambda t: t.diagonal().unsqueeze(0),
    lambda t: t.narrow(-1, 0, 1),
]


def mask_of(t: Any) -> Any:
    return (us.arange(t.numel()) % 2 == 0).reshape(t.shape)


def write_rows(t: Any, other: Any, w: Any) -> None:
    t[:1] = other[:1, :1] * w


def write_masked(t: Any, other: Any, w: Any) -> None:
    t[mask_of(t)] = w


WRITES: list[Callable[[Any, Any, Any], Any]] = [
    lambda t, other, w: t.mul_(w),
    lambda t, other, w: t.add_(other[:1, :1], alpha=0.5),
    lambda t, other, w: t.mul_(other[:1, :1]).sin_(),
    lambda t, other, w: t.mul_(t).sin_(),  # products stay small
    lambda t, other, w: t.mul_(t.view(t.shape)).sin_(),
    lambda t, other, w: t.sin_(),
    lambda t, other, w: t.copy_(other[:1, :1]),
    lambda t, other, w: t.masked_fill_(mask_of(t), w),
    lambda t, other, w: t.zero_(),
    lambda t, other, w: t.lerp_(other[:1, :1], 0.25),
    write_rows,
    write_masked,
]

INDEX = st.integers(0, 1000)
STEPS = st.lists(st.tuples(st.booleans(), INDEX, INDEX, INDEX), min_size=2, max_size=9)


def play(steps: list[tuple[bool, int, int, int]], x: Any, w: Any) -> Any:
    """Runs the steps over a pool that begins with a copy of x; a weighted sum over the pool at the end."""
    pool = [x * 1]
    for writes, which, first, second in steps:
        target, other = pool[first % len(pool)], pool[second % len(pool)]
        if writes:
            WRITES[which % len(WRITES)](target, other, w)
            continue
        view = VIEWS[which % len(VIEWS)](target)
        if view.ndim == 2 and view.numel():
            pool.append(view)
    total = w * 0
    for place, each in enumerate(pool):
        total = total + (each * (place + 1.5)).sin().sum()
    return total


def leaves(seed: int) -> tuple[Any, Any]:
    values = np.random.default_rng(seed).uniform(0.5, 1.5, (3, 4))
    x = us.tensor(values, dtype=us.float64, requires_grad=True)
    return x, us.tensor(0.7, dtype=us.float64, requires_grad=True)


def shares_through_detach(steps: list[tuple[bool, int, int, int]]) -> bool:
    """Whether differences would see what was written through detach(), which gradients do not."""
    return any(not writes and which % len(VIEWS) == 5 for writes, which, _, _ in steps)


def derived(steps: list[tuple[bool, int, int, int]], seed: int) -> list[Any] | None:
    """The result and its gradients; None where a value that a derivative needs was overwritten."""
    x, w = leaves(seed)
    total = play(steps, x, w)
    try:
        return [total.detach(), *us.autograd.grad(total, (x, w), allow_unused=True)]
    except RuntimeError:
        return None


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STEPS)
def test_gradients_are_those_of_the_changed_values(steps: list[tuple[bool, int, int, int]]) -> None:
    if not shares_through_detach(steps) and derived(steps, 0) is not None:
        assert gradcheck(lambda x, w: play(steps, x, w), leaves(0))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STEPS)
def test_a_replay_gives_the_bits_of_the_eager_call(steps: list[tuple[bool, int, int, int]]) -> None:
    @us.compile
    def step(x: Any, w: Any) -> Any:
        total = play(steps, x, w)
        return total.detach(), *us.autograd.grad(total, (x, w), allow_unused=True)

    for seed in range(3):
        expected = derived(steps, seed)
        if expected is None:
            return
        for seen, eager in zip(step(*leaves(seed)), expected, strict=True):
            assert (seen is None) == (eager is None)
            if eager is not None:
                assert seen.numpy().tobytes() == eager.numpy().tobytes()
