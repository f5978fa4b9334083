"""Distributions: densities against NumPy, samples against moments, divergences against their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from reference.distributions import CASES
from unspool import distributions as dist


def tensor(array: Any) -> Any:
    return us.from_numpy(np.ascontiguousarray(array, dtype=np.float64))


def made(name: str) -> Any:
    return getattr(dist, name)(*map(tensor, CASES[name][0]))


@pytest.mark.parametrize("name", sorted(CASES))
def test_log_prob_is_the_formula(name: str) -> None:
    parameters, values, density = CASES[name]
    expected = density(*parameters, values)
    # VonMises: the series of the Bessel function is exact to 2e-7.
    tolerance = 1e-6 if name == "VonMises" else 1e-10
    np.testing.assert_allclose(
        made(name).log_prob(tensor(values)).numpy(), expected, rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", sorted(set(CASES) - {"Cauchy", "HalfCauchy", "VonMises"}))
def test_samples_have_the_mean_that_is_stated(name: str) -> None:
    us.manual_seed(0)
    d = made(name)
    samples = d.sample((20000,))
    assert samples.shape == (20000, 3)
    mean, deviation = d.mean.numpy(), d.stddev.numpy()
    known = np.isfinite(mean) & np.isfinite(deviation)
    assert (np.abs(samples.numpy().mean(0) - mean) < 6 * deviation / np.sqrt(20000) + 1e-9)[known].all()


@pytest.mark.parametrize("name", sorted(CASES))
def test_expand_keeps_the_density(name: str) -> None:
    d = made(name)
    wide = d.expand((2, 3))
    values = tensor(CASES[name][1])
    assert wide.batch_shape == (2, 3)
    assert us.equal(wide.log_prob(values), d.log_prob(values).expand(2, 3))
    assert wide.sample((4,)).shape == (4, 2, 3)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Cauchy", "Gumbel", "Uniform", "Exponential"])
def test_icdf_undoes_cdf(name: str) -> None:
    d, values = made(name), tensor(CASES[name][1])
    np.testing.assert_allclose(d.icdf(d.cdf(values)).numpy(), values.numpy(), rtol=1e-6)


@pytest.mark.parametrize("concentration", [0.3, 1.0, 4.0, 60.0])
def test_gamma_samples_move_with_the_concentration(concentration: float) -> None:
    us.manual_seed(0)
    a = us.full((20000,), concentration, dtype=us.float64, requires_grad=True)
    samples = dist.Gamma(a, us.ones(20000, dtype=us.float64)).rsample()
    samples.sum().backward()
    # The mean is the concentration, so the mean derivative is 1.
    spread = a.grad.std().item() / np.sqrt(20000)
    assert abs(a.grad.mean().item() - 1) < 6 * spread


def test_categorical_takes_logits_and_probs_of_any_scale() -> None:
    probs = tensor([[1.0, 3.0], [2.0, 2.0]])
    d = dist.Categorical(probs=probs)
    np.testing.assert_allclose(d.probs.numpy(), [[0.25, 0.75], [0.5, 0.5]])
    other = dist.Categorical(logits=probs.log() + 5)
    np.testing.assert_allclose(other.entropy().numpy(), d.entropy().numpy())
    index = us.tensor([1, 0])
    np.testing.assert_allclose(d.log_prob(index).exp().numpy(), [0.75, 0.5])
    us.manual_seed(0)
    np.testing.assert_allclose(d.sample((20000,)).double().mean(0).numpy(), [0.75, 0.5], atol=0.02)
    assert d.enumerate_support().tolist() == [[0, 0], [1, 1]]
    assert dist.OneHotCategorical(probs).log_prob(us.eye(2, dtype=us.float64)).exp().tolist() == [0.25, 0.5]
    counts = dist.Multinomial(4, probs).sample((7,))
    assert counts.sum(-1).tolist() == [[4.0, 4.0]] * 7


def test_multivariate_normal_from_each_of_its_matrices() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 3))
    covariance, loc, x = root @ root.T + np.eye(3), rng.standard_normal(3), rng.standard_normal((5, 3))
    inverse = np.linalg.inv(covariance)
    distance = np.einsum("ni,ij,nj->n", x - loc, inverse, x - loc)
    expected = -0.5 * (distance + np.log(np.linalg.det(2 * np.pi * covariance)))
    for options in (
        {"covariance_matrix": covariance},
        {"precision_matrix": inverse},
        {"scale_tril": np.linalg.cholesky(covariance)},
    ):
        d = dist.MultivariateNormal(tensor(loc), **{k: tensor(v) for k, v in options.items()})
        np.testing.assert_allclose(d.log_prob(tensor(x)).numpy(), expected, rtol=1e-9)
        np.testing.assert_allclose(d.covariance_matrix.numpy(), covariance, rtol=1e-9)
    low = dist.LowRankMultivariateNormal(tensor(loc), tensor(root), us.ones(3, dtype=us.float64))
    np.testing.assert_allclose(low.log_prob(tensor(x)).numpy(), expected, rtol=1e-9)
    assert dist.kl_divergence(d, low).abs().item() < 1e-10


def test_mixtures_and_independent_values() -> None:
    mixture = dist.MixtureSameFamily(
        dist.Categorical(tensor([0.3, 0.7])), dist.Normal(tensor([-1.0, 2.0]), tensor([1.0, 0.5]))
    )
    x = tensor([0.1, 1.9])
    parts = [w * np.exp(made_normal(m, s, x.numpy())) for w, m, s in ((0.3, -1.0, 1.0), (0.7, 2.0, 0.5))]
    np.testing.assert_allclose(mixture.log_prob(x).exp().numpy(), sum(parts))
    assert mixture.mean.item() == pytest.approx(1.1)
    independent = dist.Independent(made("Normal"), 1)
    assert (independent.batch_shape, independent.event_shape) == ((), (3,))
    np.testing.assert_allclose(
        independent.log_prob(tensor([0.0] * 3)).item(),
        made("Normal").log_prob(tensor([0.0] * 3)).sum().item(),
    )


def made_normal(mean: float, scale: float, x: Any) -> Any:
    return CASES["Normal"][2](mean, np.asarray(scale), x)


TRANSFORMS = [
    dist.ExpTransform(), dist.SigmoidTransform(), dist.TanhTransform(), dist.SoftplusTransform(),
    dist.AffineTransform(1.0, -2.0), dist.ExpTransform().inv, dist.PowerTransform(2.0),
    dist.ComposeTransform([dist.AffineTransform(0.5, 3.0), dist.SigmoidTransform()]),
]  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_transforms_invert_and_know_their_slope(transform: Any) -> None:
    x = tensor([0.3, 0.9, 1.4]).requires_grad_()
    y = transform(x)
    np.testing.assert_allclose(transform.inv(y).detach().numpy(), x.detach().numpy(), rtol=1e-9)
    (slope,) = us.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(
        transform.log_abs_det_jacobian(x, y).detach().numpy(), np.log(np.abs(slope.numpy())), atol=1e-9
    )


def test_stick_breaking_and_cholesky_transforms() -> None:
    x = tensor([[0.3, -0.5, 1.2]])
    stick = dist.StickBreakingTransform()
    y = stick(x)
    assert y.sum().item() == pytest.approx(1.0)
    np.testing.assert_allclose(stick.inv(y).numpy(), x.numpy(), rtol=1e-9)
    jacobian = us.autograd.functional.jacobian(lambda v: stick(v)[:-1], x[0])
    assert stick.log_abs_det_jacobian(x, y).item() == pytest.approx(
        np.log(abs(np.linalg.det(jacobian.numpy())))
    )
    corr = dist.CorrCholeskyTransform()
    factor = corr(x)
    np.testing.assert_allclose((factor @ factor.mT).diagonal(dim1=-2, dim2=-1).numpy(), 1.0)
    np.testing.assert_allclose(corr.inv(factor).numpy(), x.numpy(), rtol=1e-9)


PAIRS = [
    ("Normal", "Laplace"), ("Laplace", "Normal"), ("Normal", "Gumbel"), ("Gamma", "Exponential"),
    ("Exponential", "Gamma"), ("Beta", "Normal"), ("Gamma", "Normal"), ("Gamma", "Gumbel"),
    ("Uniform", "Normal"), ("Pareto", "Exponential"), ("Beta", "Gamma"), ("Geometric", "Geometric"),
    ("Weibull", "Weibull"), ("Gumbel", "Normal"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [(n, n) for n in ("Normal", "Gamma", "Beta", "Cauchy")] + PAIRS)
def test_divergences_are_means_of_log_ratios(first: str, second: str) -> None:
    us.manual_seed(0)
    if first == "Weibull":
        with pytest.raises(NotImplementedError, match="No KL"):
            dist.kl_divergence(made(first), dist.Cauchy(0.0, 1.0))
        return
    p, q = made(first), made(second)
    exact = dist.kl_divergence(p, q).numpy()
    samples = p.sample((40000,))
    ratios = (p.log_prob(samples) - q.log_prob(samples)).numpy()
    # Where the ratio has no variance the sample mean says nothing.
    spread = ratios.std(0) / np.sqrt(40000)
    usable = np.isfinite(exact) & (ratios.std(0) < 30)
    assert (np.abs(ratios.mean(0) - exact) < 6 * spread + 1e-9)[usable].all()


def test_bad_parameters_and_values_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected parameter scale"):
        dist.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="within the support"):
        dist.Bernoulli(0.5).log_prob(us.tensor(0.5))
    with pytest.raises(ValueError, match="Either `probs` or `logits`"):
        dist.Categorical()
    with pytest.raises(ValueError, match="not broadcastable"):
        dist.Normal(us.zeros(3), us.ones(3)).log_prob(us.zeros(4))
    with pytest.raises(NotImplementedError, match="Wishart"):
        dist.Wishart  # noqa: B018
    assert dist.Normal(0.0, -1.0, validate_args=False).loc.item() == 0.0


def test_gradients_reach_the_parameters() -> None:
    loc, scale = us.zeros(3, requires_grad=True), us.ones(3, requires_grad=True)
    d = dist.Normal(loc, scale)
    assert d.rsample().requires_grad
    assert not d.sample().requires_grad
    (d.log_prob(us.tensor([1.0, 2.0, 3.0])).sum() + d.entropy().sum()).backward()
    assert loc.grad.tolist() == [1.0, 2.0, 3.0]
