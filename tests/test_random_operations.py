"""Operations that draw: dropout and bernoulli. Their streams are pinned elsewhere; here: rates, gradients."""

from __future__ import annotations

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_right_share_and_scales_it(p: float) -> None:
    us.manual_seed(0)
    result = F.dropout(us.ones(20000), p)
    kept = result.numpy() != 0
    assert abs(kept.mean() - (1 - p)) < 0.02
    np.testing.assert_allclose(result.numpy()[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(result.mean().item() - 1) < 0.06


def test_dropout_does_nothing_when_not_training_or_when_p_is_zero() -> None:
    x = us.randn(50)
    assert F.dropout(x, 0.5, training=False).tolist() == x.tolist()
    assert F.dropout(x, 0.0).tolist() == x.tolist()
    assert F.dropout(x, 1.0).abs().sum().item() == 0
    assert F.dropout(us.ones(0), 0.5).numel() == 0


def test_dropout_passes_gradients_through_the_same_mask() -> None:
    x = us.ones(1000, dtype=us.float64, requires_grad=True)
    y = F.dropout(x * 3, 0.3)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy())
    (g,) = us.autograd.grad(F.dropout(x, 1.0).sum(), x)
    assert not g.numpy().any()


def test_the_same_seed_gives_the_same_mask_whatever_the_layout() -> None:
    x = us.ones(30, 40)
    us.manual_seed(5)
    first = F.dropout(x, 0.5).numpy().copy()
    us.manual_seed(5)
    second = F.dropout(us.ones(40, 30).t(), 0.5)
    assert (first != 0).any()
    us.manual_seed(5)
    np.testing.assert_array_equal(F.dropout(x, 0.5).numpy(), first)
    assert tuple(second.shape) == (30, 40)


def test_dropout_in_place() -> None:
    x = us.ones(1000)
    result = F.dropout(x, 0.5, inplace=True)
    assert result.data_ptr() == x.data_ptr()
    assert set(x.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_a_probability_outside_the_unit_interval(p: float) -> None:
    with pytest.raises((ValueError, RuntimeError), match="dropout"):
        F.dropout(us.ones(3), p)


def test_bernoulli_draws_with_each_probability() -> None:
    us.manual_seed(1)
    p = us.tensor([0.0, 0.2, 0.5, 1.0]).expand(5000, 4)
    draws = us.bernoulli(p)
    assert draws.dtype == us.float32
    np.testing.assert_allclose(draws.mean(0).numpy(), [0.0, 0.2, 0.5, 1.0], atol=0.03)
    assert us.bernoulli(us.full((3,), 1.0, dtype=us.float64)).dtype == us.float64
    g = us.Generator()
    g.manual_seed(3)
    first = us.bernoulli(p, generator=g).tolist()
    g.manual_seed(3)
    assert us.bernoulli(p, generator=g).tolist() == first
