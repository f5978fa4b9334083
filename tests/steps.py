"""Small training steps, for the tests of what handles whole steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import unspool as us
import unspool.nn.functional as F
from unspool import nn

STEPS = 100
Step = Callable[..., Any]
Made = tuple[list[Any], Step]


def numbers(*sizes: int, seed: int = 0) -> Any:
    return us.tensor(np.random.default_rng(seed).standard_normal(sizes).astype("float32"))


def labels(count: int, classes: int, seed: int = 0) -> Any:
    return us.tensor(np.random.default_rng(seed).integers(0, classes, count))


def training(model: Any, optimizer: Any, loss: Callable[[Any, Any], Any] = F.cross_entropy) -> Made:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return [*model.parameters(), *model.buffers()], step


def small() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def assert_same_bits(
    make: Callable[[], Made], batches: list[tuple[Any, ...]], steps: int = STEPS, **settings: Any
) -> Any:
    """Train twice, eagerly and compiled; return the compiled step."""
    histories, weights = [], []
    compiled: Any = None
    for is_compiled in (False, True):
        us.manual_seed(0)
        kept, step = make()
        if is_compiled:
            compiled = step = us.compile(step, **settings)
        us.manual_seed(1)
        history = []
        for i in range(steps):
            result = step(*batches[i % len(batches)])
            history.append([each.tolist() for each in (result if isinstance(result, tuple) else (result,))])
        histories.append(history)
        weights.append([tensor.detach().numpy().copy() for tensor in kept])
    assert histories[0] == histories[1]
    for eager, replayed in zip(*weights, strict=True):
        np.testing.assert_array_equal(eager, replayed)
    return compiled


BATCHES = [(numbers(6, 4, seed=i), labels(6, 3, seed=i)) for i in range(4)]
