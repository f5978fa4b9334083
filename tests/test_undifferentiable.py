"""Functions without a derivative say so in the backward pass; draws have the derivative zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us

REFUSED: dict[str, Callable[[Any], Any]] = {
    "heaviside": lambda x: us.heaviside(x, us.ones(2)),
    "binomial": lambda x: us.binomial(us.tensor([3.0, 4.0]), x),
    "bincount": lambda x: us.bincount(us.tensor([0, 1]), x),
    "histogram": lambda x: us.histogram(x, 3)[0],
    "histogramdd": lambda x: us.histogramdd(x.reshape(1, 2), 3)[0],
    "unique": lambda x: us.unique(x, return_counts=True)[0],
    "unique_consecutive": lambda x: us.unique_consecutive(x),
}
ZERO: dict[str, Callable[[Any], Any]] = {
    "mean": lambda x: us.normal(x, 1.0),
    "std": lambda x: us.normal(0.0, x),
    "both": lambda x: us.normal(x, x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_missing_derivative_is_refused(name: str) -> None:
    x = us.tensor([0.3, 0.6], requires_grad=True)
    result = REFUSED[name](x)
    assert result.requires_grad
    with pytest.raises(RuntimeError, match=f"{name}: its derivative is not implemented"):
        (result.sum() + x.sum()).backward()
    assert not REFUSED[name](x.detach()).requires_grad


@pytest.mark.parametrize("name", ZERO)
def test_draws_have_the_derivative_zero(name: str) -> None:
    x = us.tensor([0.3, 0.6], requires_grad=True)
    us.manual_seed(0)
    drawn = ZERO[name](x)
    us.manual_seed(0)
    np.testing.assert_array_equal(drawn.detach(), ZERO[name](x.detach()))
    drawn.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0]
