"""What integers and Python's numbers become in floating results: the default dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import unspool as us

INTEGERS = np.arange(1, 5)

CASES: dict[str, tuple[Callable[[us.Tensor], us.Tensor], Callable[[Any], Any]]] = {
    "division by an integer": (lambda i: i / 3, lambda i: i / 3),
    "division of a number": (lambda i: 1 / i, lambda i: 1 / i),
    "true_divide": (lambda i: i.true_divide(7), lambda i: i / 7),
    "sum with a number": (lambda i: i + 0.1, lambda i: i + 0.1),
    "difference to a number": (lambda i: 0.1 - i, lambda i: 0.1 - i),
    "power": (lambda i: i**0.3, lambda i: i**0.3),
    "power of a number": (lambda i: 2.1**i, lambda i: 2.1**i),
    "truth values times a number": (lambda i: (i > 2) * 0.1, lambda i: (i > 2) * 0.1),
    "sin": (lambda i: i.sin(), np.sin),
    "exp": (us.exp, np.exp),
    "sqrt": (us.sqrt, np.sqrt),
    "atan2": (lambda i: us.atan2(i, i + 1), lambda i: np.arctan2(i, i + 1)),
    "clamp": (lambda i: i.clamp(1.1), lambda i: np.clip(i, 1.1, None)),
    "where": (lambda i: us.where(i > 2, 0.1, 0.2), lambda i: np.where(i > 2, 0.1, 0.2)),
    "remainder": (lambda i: i % 0.3, lambda i: i % 0.3),
}


@pytest.fixture
def float64() -> Iterator[None]:
    us.set_default_dtype(us.float64)
    yield
    us.set_default_dtype(us.float32)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", CASES)
def test_integers_become_the_default_dtype(name: str) -> None:
    ours, numpys = CASES[name]
    found = ours(us.tensor(INTEGERS))
    assert found.dtype is us.float64
    np.testing.assert_allclose(found.numpy(), numpys(INTEGERS), rtol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_integers_become_float32_at_first(name: str) -> None:
    assert CASES[name][0](us.tensor(INTEGERS)).dtype is us.float32


@pytest.mark.usefixtures("float64")
def test_floating_tensors_keep_their_dtype() -> None:
    x = us.ones(2, dtype=us.float32, requires_grad=True)
    y = (x * 0.5 + 1).clamp(0.1).exp() / 3 + us.arange(2)
    assert y.dtype is us.float32
    y.sum().backward()
    assert x.grad.dtype is us.float32
    assert us.result_type(us.ones(1, dtype=us.int64), 0.5) is us.float64
    assert us.result_type(us.ones(1, dtype=us.float32), 0.5) is us.float32


@pytest.mark.usefixtures("float64")
def test_a_captured_step_keeps_the_default_dtype() -> None:
    step = us.compile(lambda i: (i / 3).sin())
    for _ in range(3):
        found = step(us.tensor(INTEGERS))
        assert found.dtype is us.float64
        np.testing.assert_allclose(found.numpy(), np.sin(INTEGERS / 3), rtol=1e-14)
