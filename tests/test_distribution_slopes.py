"""Samples that move with their parameters: against the quantile's derivative, and against moments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import distributions as dist


def beta_probability(a: float, b: float, x: float) -> float:
    """Integrate the density up to x by Gauss and Legendre, over u = t^a where it has a pole at 0."""
    points, weights = np.polynomial.legendre.leggauss(200)
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    if a < 1:
        t = ((points + 1) / 2 * x**a) ** (1 / a)
        return float((weights * (1 - t) ** (b - 1)).sum() / 2 * x**a / a * math.exp(constant))
    mean = a / (a + b)
    first = max(0.0, min(x, mean) - 12 * math.sqrt(mean * (1 - mean) / (a + b + 1)))
    t = first + (points + 1) / 2 * (x - first)
    density = np.exp(constant + (a - 1) * np.log(t) + (b - 1) * np.log1p(-t))
    return float((weights * density).sum() / 2 * (x - first))


@pytest.mark.parametrize(
    ("a", "b"), [(0.6, 3.0), (2.0, 2.0), (7.5, 0.9), (40.0, 25.0), (0.8, 60.0), (300.0, 200.0)]
)
@pytest.mark.parametrize("deviations", [-2.0, -0.5, 0.0, 1.0, 2.0])
def test_beta_samples_move_as_their_quantile(a: float, b: float, deviations: float) -> None:
    mean = a / (a + b)
    x = min(max(mean + deviations * math.sqrt(mean * (1 - mean) / (a + b + 1)), mean / 20), 0.97)
    density = math.exp(
        (a - 1) * math.log(x)
        + (b - 1) * math.log1p(-x)
        + math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
    )
    step = 1e-4 * a
    change = beta_probability(a + step, b, x) - beta_probability(a - step, b, x)
    expected = -change / (2 * step) / density / (1 - x)
    slope = dist._quantile_slopes.beta_slope(np.array(a), np.array(b), np.array(x))
    np.testing.assert_allclose(slope, expected, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("concentration", [[0.3, 0.9], [1.0, 4.0, 0.5], [60.0, 20.0, 9.0, 2.0]])
def test_dirichlet_samples_move_with_the_concentration(concentration: list[float]) -> None:
    """The mean of a linear function of the shares is linear in the mean, so its mean gradient is known."""
    us.manual_seed(0)
    a = us.tensor([concentration] * 20000, dtype=us.float64, requires_grad=True)
    weight = us.arange(1, len(concentration) + 1, dtype=us.float64)
    (dist.Dirichlet(a).rsample() * weight).sum().backward()
    own = np.array(concentration)
    mean = own / own.sum()
    expected = (weight.numpy() - (weight.numpy() * mean).sum()) / own.sum()
    spread = a.grad.std(0).numpy() / np.sqrt(20000)
    assert (np.abs(a.grad.mean(0).numpy() - expected) < 6 * spread).all()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("Gamma", lambda a: dist.Gamma(a, 1.0)),
        ("Dirichlet", lambda a: dist.Beta(a, 2.0)),
        ("Dirichlet", dist.Dirichlet),
    ],
)
def test_samples_are_differentiable_once(name: str, make: Any) -> None:
    a = us.tensor([1.5, 2.5], requires_grad=True)
    gradient = us.autograd.grad(make(a).rsample()[0], a, create_graph=True)[0]
    with pytest.raises(NotImplementedError, match=rf"{name}\.rsample: samples are differentiable once"):
        gradient.square().sum().backward()


def test_generalized_pareto_at_its_special_cases() -> None:
    x = us.tensor([0.25, 1.0, 2.0], dtype=us.float64)
    uniform = dist.GeneralizedPareto(0.0, us.full((3,), 2.0, dtype=us.float64), -1.0)
    np.testing.assert_allclose(uniform.log_prob(x).numpy(), [-math.log(2)] * 3, rtol=1e-15)
    np.testing.assert_allclose(uniform.cdf(x).numpy(), x.numpy() / 2, rtol=1e-15)
    with pytest.raises(ValueError, match="support"):
        uniform.log_prob(x + 1)
    scale = us.full((3,), 0.5, dtype=us.float64)
    exponential, plain = dist.GeneralizedPareto(0.0, scale, 0.0), dist.Exponential(1 / scale)
    for of in ("log_prob", "cdf"):
        np.testing.assert_allclose(
            getattr(exponential, of)(x).numpy(), getattr(plain, of)(x).numpy(), rtol=1e-14
        )
    np.testing.assert_allclose(exponential.entropy().numpy(), plain.entropy().numpy(), rtol=1e-14)
    heavy = dist.GeneralizedPareto(1.0, us.tensor([1.0, 1.0], requires_grad=True), us.tensor([0.7, 1.5]))
    assert heavy.mean[0].item() == pytest.approx(1 + 1 / 0.3)
    assert heavy.mean[1].isnan()
    assert heavy.variance.isnan().all()
    np.testing.assert_allclose(
        heavy.log_cdf(us.tensor(3.0)).exp().tolist(), heavy.cdf(us.tensor(3.0)).tolist()
    )
