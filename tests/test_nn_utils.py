"""Clipping of gradients, and parameters as one vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn import utils


def with_gradients() -> list[Any]:
    params = [nn.Parameter(us.zeros(2, 2)), nn.Parameter(us.zeros(3)), nn.Parameter(us.zeros(1))]
    params[0].grad = us.tensor([[3.0, 0.0], [0.0, 0.0]])
    params[1].grad = us.tensor([0.0, -4.0, 0.0])
    return params


@pytest.mark.parametrize(("norm", "total"), [(2.0, 5.0), (1.0, 7.0), (math.inf, 4.0)])
def test_gradients_are_scaled_to_the_norm(norm: float, total: float) -> None:
    params = with_gradients()
    assert utils.clip_grad_norm_(params, 2.0, norm).item() == pytest.approx(total)
    np.testing.assert_allclose(params[0].grad.numpy()[0, 0], 3.0 * 2.0 / total, rtol=1e-6)
    np.testing.assert_allclose(params[1].grad.numpy()[1], -4.0 * 2.0 / total, rtol=1e-6)
    assert params[2].grad is None


def test_small_gradients_are_left_alone() -> None:
    params = with_gradients()
    assert utils.clip_grad_norm_(iter(params), 10.0).item() == pytest.approx(5.0)
    assert params[1].grad.tolist() == [0.0, -4.0, 0.0]
    assert utils.clip_grad_norm_(params[2], 1.0).item() == 0.0


def test_a_norm_that_is_not_finite_may_be_an_error() -> None:
    params = with_gradients()
    params[0].grad.fill_(math.nan)
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert math.isnan(utils.clip_grad_norm_(params, 1.0).item())


def test_gradients_are_clipped_by_value() -> None:
    params = with_gradients()
    utils.clip_grad_value_(params, 3.5)
    assert params[0].grad.tolist() == [[3.0, 0.0], [0.0, 0.0]]
    assert params[1].grad.tolist() == [0.0, -3.5, 0.0]


def test_the_name_without_underscore_is_deprecated() -> None:
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        utils.clip_grad_norm(with_gradients(), 1.0)


def test_parameters_become_a_vector_and_come_back() -> None:
    linear = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(linear.parameters())
    assert vector.shape == (9,)
    vector.sum().backward()
    assert linear.bias.grad.tolist() == [1.0] * 3
    weight = linear.weight
    utils.vector_to_parameters(us.arange(9.0), linear.parameters())
    assert linear.weight is weight
    assert (weight.tolist(), linear.bias.tolist()) == ([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [6.0, 7.0, 8.0])
    with pytest.raises(ValueError, match="8 elements, the parameters have 9"):
        utils.vector_to_parameters(us.arange(8.0), linear.parameters())
    with pytest.raises(TypeError, match="list"):
        utils.vector_to_parameters([1.0], linear.parameters())  # type: ignore[arg-type]
