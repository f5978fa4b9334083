"""Kullback-Leibler divergences: a table of functions by pairs of types, to which ``register_kl`` adds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import unspool
from unspool._core import Tensor
from unspool.distributions.bernoulli import Bernoulli
from unspool.distributions.beta import Beta
from unspool.distributions.binomial import Binomial
from unspool.distributions.categorical import Categorical
from unspool.distributions.cauchy import Cauchy
from unspool.distributions.continuous_bernoulli import ContinuousBernoulli
from unspool.distributions.dirichlet import Dirichlet
from unspool.distributions.distribution import Distribution
from unspool.distributions.exponential import Exponential
from unspool.distributions.gamma import Gamma
from unspool.distributions.geometric import Geometric
from unspool.distributions.gumbel import Gumbel
from unspool.distributions.half_normal import HalfNormal
from unspool.distributions.independent import Independent
from unspool.distributions.laplace import Laplace
from unspool.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from unspool.distributions.multivariate_normal import MultivariateNormal, mahalanobis
from unspool.distributions.normal import Normal
from unspool.distributions.one_hot_categorical import OneHotCategorical
from unspool.distributions.pareto import Pareto
from unspool.distributions.poisson import Poisson
from unspool.distributions.transformed_distribution import TransformedDistribution
from unspool.distributions.uniform import Uniform
from unspool.distributions.utils import sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

Divergence = Callable[[Any, Any], Tensor]
_KL_REGISTRY: dict[tuple[type, type], Divergence] = {}
_EULER = float(np.euler_gamma)


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """A decorator that registers a function of (p, q) for these types and their subclasses.

    They need not be derived from ``Distribution``: libraries have bases of their own.
    """
    each: Any
    for each in (type_p, type_q):
        if not isinstance(each, type):
            raise TypeError(f"Expected type_p and type_q to be Distribution subclasses but got {each}")

    def decorator(function: Divergence) -> Divergence:
        _KL_REGISTRY[type_p, type_q] = function
        return function

    return decorator


def _found(type_p: type, type_q: type) -> Divergence | None:
    """The function of the closest types: the nearest in p's order of inheritance, then in q's."""
    matches = [
        (type_p.__mro__.index(p), type_q.__mro__.index(q), p, q)
        for p, q in _KL_REGISTRY
        if issubclass(type_p, p) and issubclass(type_q, q)
    ]
    if not matches:
        return None
    _, _, p, q = min(matches, key=lambda match: match[:2])
    return _KL_REGISTRY[p, q]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The mean of ln p(x) - ln q(x) over x from p, of the batch's shape.

    Raises:
        NotImplementedError: no function is registered for the two types.
    """
    function = _found(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return function(p, q)


def infinite(p: Any, *_: Any) -> Tensor:
    """The divergence where p has values that q cannot have."""
    return unspool.full(p.batch_shape, float("inf"))


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    softplus = unspool.nn.functional.softplus
    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    no = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    yes = unspool.where(q.probs == 0, float("inf"), yes)
    no = unspool.where(q.probs == 1, float("inf"), no)
    yes = unspool.where(p.probs == 0, 0.0, yes)
    return yes + unspool.where(p.probs == 1, 0.0, no)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    result = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return unspool.where(p.total_count > q.total_count, float("inf"), result)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = unspool.where(q.probs == 0, float("inf"), terms)
    return unspool.where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    a, b = p.concentration1, p.concentration0
    c, d = q.concentration1, q.concentration0
    constant = c.lgamma() + d.lgamma() + (a + b).lgamma() - ((c + d).lgamma() + a.lgamma() + b.lgamma())
    means = (a - c) * a.digamma() + (b - d) * b.digamma() + (c + d - a - b) * (a + b).digamma()
    return constant + means


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    total_a, total_b = a.sum(-1), b.sum(-1)
    constant = total_a.lgamma() - total_b.lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return constant + ((a - b) * (a.digamma() - total_a.digamma().unsqueeze(-1))).sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Tensor:
    means = p.mean * (p.logits - q.logits)
    return means + p._log_normalizer() + (-p.probs).log1p() - q._log_normalizer() - (-q.probs).log1p()


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    rates = q.concentration * (p.rate / q.rate).log() + p.concentration * (q.rate / p.rate - 1)
    shapes = q.concentration.lgamma() - p.concentration.lgamma()
    return rates + shapes + (p.concentration - q.concentration) * p.concentration.digamma()


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio, away, own = p.scale / q.scale, q.loc / q.scale, p.loc / q.scale
    tail = (away + (1 + ratio).lgamma() - own).exp()
    return -ratio.log() - away + own + ratio * _EULER + tail - (1 + _EULER)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + ratio * (-distance / p.scale).exp() + distance / q.scale - 1


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


def _tril_of(distribution: Any) -> Tensor:
    if isinstance(distribution, MultivariateNormal):
        return distribution._unbroadcasted_scale_tril
    return distribution.scale_tril


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    n = p.event_shape[0]
    own, other = _tril_of(p), _tril_of(q)
    log_dets = (other.diagonal(dim1=-2, dim2=-1).log() - own.diagonal(dim1=-2, dim2=-1).log()).sum(-1)
    batch = unspool.broadcast_shapes(own.shape[:-2], other.shape[:-2])
    solved = unspool.linalg.solve_triangular(
        other.expand(*batch, n, n), own.expand(*batch, n, n), upper=False
    )
    return log_dets + 0.5 * (solved.square().sum((-2, -1)) + mahalanobis(other, q.loc - p.loc) - n)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return unspool.where(p.scale < q.scale, float("inf"), result)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms:
        raise NotImplementedError("KL between distributions with different transforms is not implemented")
    if p.event_shape != q.event_shape:
        raise NotImplementedError("KL between distributions of different event shapes is not implemented")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return unspool.where((q.low > p.low) | (q.high < p.high), float("inf"), result)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "KL between Independents of different reinterpreted_batch_ndims is not implemented"
        )
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    # Chyzak and Nielsen 2019.
    scales = ((p.scale + q.scale).square() + (p.loc - q.loc).square()).log()
    return scales - (4 * p.scale * q.scale).log()


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return (
        -q.concentration * ratio.log()
        + ratio
        + q.concentration.lgamma()
        + q.concentration * _EULER
        - (1 + _EULER)
    )


@register_kl(Exponential, Normal)
def _exponential_normal(p: Any, q: Any) -> Tensor:
    variance, rate = q.scale.square(), p.rate.square()
    constant = 0.5 * (rate * variance * 2 * math.pi).log()
    return constant - 1 + (1 / rate - q.loc / p.rate + q.loc.square() / 2) / variance


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Any, q: Any) -> Tensor:
    mean, spread, away = p.loc / q.scale, (p.scale / q.scale).square() * 0.5, q.loc / q.scale
    constant = -0.5 * math.log(2 * math.pi) - 0.5
    return mean - away + (-mean + spread + away).exp() - (p.scale / q.scale).log() + constant


@register_kl(Laplace, Normal)
def _laplace_normal(p: Any, q: Any) -> Tensor:
    variance = q.scale.square()
    ratio = p.scale.square() / variance
    constant = -0.5 * (2 * ratio / math.pi).log()
    return (
        constant
        + 0.5 * p.loc.square() / variance
        - p.loc * q.loc / variance
        + 0.5 * q.loc.square() / variance
        + ratio
        - 1
    )


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Tensor:
    away = p.loc - q.loc
    normalized = away / p.scale
    middle = away * (math.sqrt(0.5) * normalized).erf()
    tail = math.sqrt(2 / math.pi) * p.scale * (-0.5 * normalized.square()).exp()
    return -p.scale.log() - (math.log(2 * math.pi) + 1) / 2 + (2 * q.scale).log() + (middle + tail) / q.scale


@register_kl(Uniform, Normal)
def _uniform_normal(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    constant = (math.sqrt(math.pi * 2) * q.scale / width).log()
    return constant + (width.square() / 12 + ((p.high + p.low - 2 * q.loc) / 2).square()) / (
        2 * q.scale.square()
    )


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Tensor:
    result = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    return unspool.where(p.low < 0, float("inf"), result)


# Where p has values that q cannot have.
for _p, _q in (
    (Bernoulli, Poisson), (Beta, Pareto), (Exponential, Beta), (Exponential, Pareto), (Exponential, Uniform),
    (Gamma, Beta), (Gamma, Pareto), (Gamma, Uniform), (Gumbel, Beta), (Gumbel, Exponential), (Gumbel, Gamma),
    (Gumbel, Pareto), (Gumbel, Uniform), (Laplace, Beta), (Laplace, Exponential), (Laplace, Gamma),
    (Laplace, Pareto), (Laplace, Uniform), (Normal, Beta), (Normal, Exponential), (Normal, Gamma), (Normal,
    Pareto),
    (Normal, Uniform), (Pareto, Beta), (Pareto, Uniform), (Poisson, Bernoulli), (Poisson, Binomial),
):  # fmt: skip
    if (_p, _q) not in _KL_REGISTRY:
        register_kl(_p, _q)(infinite)
