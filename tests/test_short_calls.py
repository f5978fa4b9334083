"""Element-wise calls over a few elements without gaps give the bits that any other layout gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us

F = us.nn.functional

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "add, alpha": lambda a, b: us.add(a, b, alpha=0.3),
    "sub, alpha": lambda a, b: us.sub(a, b, alpha=-1.7),
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "floor_divide": lambda a, b: a // b,
    "remainder": lambda a, b: a % b,
    "pow": lambda a, b: a.abs() ** b,
    "minimum": lambda a, b: us.minimum(a, b),
    "less": lambda a, b: a < b,
    "float": lambda a, b: a * 0.1 + b,
    "reversed float": lambda a, b: 0.1 / a - b,
    "integer": lambda a, b: a * 3 - b,
    "large integer": lambda a, b: a + (2**53 + 1),
    "bool": lambda a, b: a + True,
    "clamp": lambda a, b: a.clamp(-0.3, 0.4),
    "softplus": lambda a, b: F.softplus(a, beta=1.3, threshold=0.5),
    "leaky_relu": lambda a, b: F.leaky_relu(a, 0.07),
    "lerp": lambda a, b: us.lerp(a, b, 0.3),
    "addcmul": lambda a, b: us.addcmul(a, a, b, value=0.7),
    "tanh": lambda a, b: a.tanh(),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_a_short_call_gives_the_bits_of_a_strided_one(name: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    for count in (0, 1, 3, 4, 5, 8, 16, 17, 100):
        a, b = (us.tensor(rng.uniform(-1, 1, size=(count, 2)).astype(dtype)) for _ in range(2))
        strided = CALLS[name](a[:, 0], b[:, 0])
        flat = CALLS[name](a[:, 0].clone(), b[:, 0].clone())
        assert flat.dtype == strided.dtype
        np.testing.assert_array_equal(flat.numpy(), strided.numpy())


def test_results_have_the_strides_of_their_shape() -> None:
    x = us.ones(4, 3)[:, :1]
    assert x.contiguous().stride() == (1, 1)
    one = us.ones(1, 5)[:, 2:3] + 1
    assert one.shape == (1, 1)
    assert one.stride() == (1, 1)
    assert (us.ones(0, 3) + 1).stride() == (3, 1)
    assert (us.ones(2, 3, 4) * 2).stride() == (12, 4, 1)
