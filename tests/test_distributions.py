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
    np.testing.assert_allclose(made(name).log_prob(tensor(values)).numpy(), expected, rtol=1e-10, atol=1e-10)


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


INVERTIBLE = ["Normal", "Laplace", "Cauchy", "Gumbel", "Uniform", "Exponential", "GeneralizedPareto"]


@pytest.mark.parametrize("name", INVERTIBLE)
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
    assert dist.Normal(0.0, -1.0, validate_args=False).loc.item() == 0.0


def test_gradients_reach_the_parameters() -> None:
    loc, scale = us.zeros(3, requires_grad=True), us.ones(3, requires_grad=True)
    d = dist.Normal(loc, scale)
    assert d.rsample().requires_grad
    assert not d.sample().requires_grad
    (d.log_prob(us.tensor([1.0, 2.0, 3.0])).sum() + d.entropy().sum()).backward()
    assert loc.grad.tolist() == [1.0, 2.0, 3.0]


def test_wishart_matrices() -> None:
    rng = np.random.default_rng(2)
    root = rng.standard_normal((3, 3))
    covariance = root @ root.T + np.eye(3)
    df = np.array([4.5, 7.0])
    d = dist.Wishart(tensor(df), tensor(covariance))
    for other in (
        dist.Wishart(tensor(df), precision_matrix=tensor(np.linalg.inv(covariance))),
        dist.Wishart(tensor(df), scale_tril=tensor(np.linalg.cholesky(covariance))),
        d.expand((2,)),
    ):
        assert us.allclose(other.covariance_matrix, d.covariance_matrix)
        assert us.allclose(other.entropy(), d.entropy())
    us.manual_seed(0)
    samples = d.sample((20000,))
    assert samples.shape == (20000, 2, 3, 3)
    error = (samples.mean(0) - d.mean).abs() / (d.variance / 20000).sqrt()
    assert float(error.max()) < 6
    # The entropy is the mean of -log density.
    logs = -d.log_prob(samples)
    assert float(((logs.mean(0) - d.entropy()).abs() / (logs.std(0) / 20000**0.5)).max()) < 6
    # In one dimension it is a gamma distribution.
    one = dist.Wishart(5.0, tensor([[2.0]]))
    gamma = dist.Gamma(us.tensor(2.5, dtype=us.float64), us.tensor(0.25, dtype=us.float64))
    assert us.allclose(one.log_prob(tensor([[3.0]])), gamma.log_prob(us.tensor(3.0, dtype=us.float64)))
    assert us.isnan(dist.Wishart(3.5, tensor(covariance)).mode).all()
    with pytest.raises(ValueError, match="ndim - 1"):
        dist.Wishart(2.0, tensor(covariance))
    with pytest.raises(ValueError, match="Exactly one"):
        dist.Wishart(4.0)


@pytest.mark.parametrize(("dim", "concentration"), [(2, 1.0), (3, 1.0), (5, 3.0)])
def test_lkj_factors_of_correlation_matrices(dim: int, concentration: float) -> None:
    d = dist.LKJCholesky(dim, us.tensor(concentration, dtype=us.float64))
    us.manual_seed(0)
    factors = d.sample((20000,))
    assert bool(d.support.check(factors).all())
    correlations = (factors @ factors.mT).numpy()[:, *np.tril_indices(dim, -1)]
    # Every correlation is 2 b - 1 with b ~ Beta(a, a), a = concentration - 1 + dim / 2.
    variance = 1 / (2 * (concentration - 1 + dim / 2) + 1)
    assert np.abs(correlations.var(0) - variance).max() < 0.01
    assert np.abs(correlations.mean(0)).max() < 0.02
    assert dist.LKJCholesky(dim).expand((3,)).sample((2,)).shape == (2, 3, dim, dim)


def test_the_density_of_two_by_two_lkj_factors_is_a_density() -> None:
    r = np.linspace(-1, 1, 20001)[1:-1]
    factors = np.zeros((r.size, 2, 2))
    factors[:, 0, 0], factors[:, 1, 0], factors[:, 1, 1] = 1, r, np.sqrt(1 - r**2)
    density = dist.LKJCholesky(2, us.tensor(1.7, dtype=us.float64)).log_prob(tensor(factors)).exp().numpy()
    assert abs(density.sum() * (r[1] - r[0]) - 1) < 1e-4


@pytest.mark.parametrize("registry", [dist.biject_to, dist.transform_to])
def test_transforms_of_constraints_reach_them(registry: Any) -> None:
    c = dist.constraints
    us.manual_seed(0)
    for constraint, shape in (
        (c.real, (4,)),
        (c.positive, (4,)),
        (c.greater_than(2.0), (4,)),
        (c.less_than(1.0), (4,)),
        (c.unit_interval, (4,)),
        (c.interval(-1.0, 3.0), (4,)),
        (c.simplex, (4,)),
        (c.lower_cholesky, (3, 3)),
        (c.corr_cholesky, (3,)),
        (c.positive_definite, (3, 3)),
        (c.independent(c.positive, 1), (4,)),
        (c.stack([c.positive, c.unit_interval]), (2, 3)),
        (c.cat([c.positive, c.unit_interval], 0, [2, 1]), (3,)),
    ):
        transform = registry(constraint)
        x = us.randn(*shape, dtype=us.float64)
        y = transform(x)
        assert bool(constraint.check(y).all()), constraint
        if transform.bijective:
            assert us.allclose(transform.inv(y), x), constraint
    for constraint in (c.boolean, c.nonnegative_integer):
        with pytest.raises(NotImplementedError):
            registry(constraint)


def test_constraints_of_ones_own_can_be_registered() -> None:
    class Even(dist.constraints.Constraint):
        pass

    registry = type(dist.biject_to)()

    @registry.register(Even)
    def _(constraint: Any) -> Any:
        del constraint
        return dist.AffineTransform(0, 2)

    assert registry(Even())(us.tensor(3.0)).item() == 6
    with pytest.raises(TypeError):
        registry.register(int, lambda _: None)


# What PyTorch 2.13 draws after manual_seed(4).
STREAMS: list[tuple[Any, list[float]]] = [
    (lambda: dist.Gamma(us.tensor([0.3, 2.5]), 2.0), [0.053457, 0.850594]),
    (lambda: dist.Beta(us.tensor([0.5, 2.0]), us.tensor([1.5, 3.0])), [0.269139, 0.243554]),
    (lambda: dist.Dirichlet(us.tensor([0.2, 1.0, 4.0])), [0.012696, 0.166087, 0.821216]),
    (lambda: dist.StudentT(us.tensor([3.0, 4.0])), [-0.827589, 0.18928]),
    (lambda: dist.NegativeBinomial(us.tensor([3.0, 8.0]), us.tensor([0.5, 0.3])), [2, 3]),
    (lambda: dist.Poisson(us.tensor([0.5, 40.0])), [0, 44]),
    (lambda: dist.FisherSnedecor(us.tensor([3.0, 9.0]), us.tensor([4.0, 7.0])), [1.595599, 1.121]),
    (lambda: dist.Cauchy(us.zeros(2), 1.0), [-0.072037, 0.8909]),
    (
        lambda: dist.MixtureSameFamily(
            dist.Categorical(us.ones(3)), dist.Normal(us.tensor([0.0, 1.0, 2.0]), 0.1)
        ),
        [1.902551],
    ),
]


@pytest.mark.parametrize(("make", "expected"), STREAMS)
def test_draws_are_those_of_pytorch(make: Any, expected: list[float]) -> None:
    us.manual_seed(4)
    np.testing.assert_allclose(make().sample().reshape(-1).numpy(), expected, rtol=2e-6, atol=2e-6)


def test_gamma_numbers_refuse_what_is_no_concentration() -> None:
    with pytest.raises(RuntimeError, match="concentration that is negative, inf or nan at element 1"):
        dist.Gamma(us.tensor([1.0, -1.0]), 1.0, validate_args=False).sample()
