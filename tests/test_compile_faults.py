"""An error inside of a replay leaves each parameter with its own step counter, updated or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from steps import numbers
from unspool import nn


def state_of(optimizer: Any, parameters: list[Any]) -> list[Any]:
    kept = [value.numpy().copy() for p in parameters for value in optimizer.state[p].values()]
    return kept + [p.detach().numpy().copy() for p in parameters]


def test_an_error_between_two_losses_of_one_update_changes_nothing() -> None:
    # The first parameter could be updated while it is in the cache, before the second loss fails.
    first, second = nn.Parameter(numbers(128, 128)), nn.Parameter(numbers(128, 128, seed=1))
    optimizer = us.optim.Adam([first, second], lr=0.01)

    @us.compile
    def step(x: Any, probability: Any) -> Any:
        optimizer.zero_grad()
        (x @ first).pow(2).mean().backward()
        loss = F.binary_cross_entropy(probability * us.sigmoid(second), us.ones_like(second))
        loss.backward()
        optimizer.step()
        return loss

    x = numbers(4, 128)
    for _ in range(3):
        step(x, us.tensor(1.0))
    before = state_of(optimizer, [first, second])
    with pytest.raises(RuntimeError, match="no parameter was updated"):
        step(x, us.tensor(-1.0))
    for one, other in zip(before, state_of(optimizer, [first, second]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("compiled", [False, True])
def test_an_error_after_updates_of_different_ages_keeps_all_their_counters(compiled: bool) -> None:
    small, large = nn.Parameter(numbers(4)), nn.Parameter(numbers(128, 128, seed=1))
    optimizer = us.optim.Adam([small, large], lr=0.01)
    small.sum().backward()
    optimizer.step()  # the parameters now differ in age, so that they are two updates

    def step(index: Any) -> Any:
        optimizer.zero_grad()
        (large.pow(2).mean() + us.sin(small).sum()).backward()
        optimizer.step()
        return us.ones(3).gather(0, index)

    run = us.compile(step) if compiled else step
    for _ in range(3):
        run(us.tensor([0, 2]))
    with pytest.raises((IndexError, RuntimeError)):
        run(us.tensor([0, 7]))
    assert [optimizer.state[p]["step"].item() for p in (small, large)] == [5, 4]
