"""Divergences between families, from moments: entropy of p, and the mean of q's log density under p."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.distributions.beta import Beta
from unspool.distributions.continuous_bernoulli import ContinuousBernoulli
from unspool.distributions.exponential import Exponential
from unspool.distributions.gamma import Gamma
from unspool.distributions.gumbel import Gumbel
from unspool.distributions.kl import infinite, register_kl
from unspool.distributions.laplace import Laplace
from unspool.distributions.normal import Normal
from unspool.distributions.pareto import Pareto
from unspool.distributions.uniform import Uniform


def _where_inside(result: Tensor, inside: Any) -> Tensor:
    return unspool.where(inside, result, float("inf"))


def _mean_log(p: Any) -> Any:
    """The mean of ln x."""
    if isinstance(p, Beta):
        return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return (unspool.xlogy(p.high, p.high) - unspool.xlogy(p.low, p.low)) / (p.high - p.low) - 1


def _to_normal(p: Any, q: Any) -> Tensor:
    spread = p.variance + (p.mean - q.loc).square()
    return -p.entropy() + 0.5 * math.log(2 * math.pi) + q.scale.log() + spread / (2 * q.scale.square())


def _to_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


def _to_gamma(p: Any, q: Any) -> Tensor:
    constant = q.concentration.lgamma() - q.concentration * q.rate.log()
    result = -p.entropy() + constant - (q.concentration - 1) * _mean_log(p) + q.rate * p.mean
    return _where_inside(result, p.low >= 0) if isinstance(p, Uniform) else result


def _to_uniform(p: Any, q: Any) -> Tensor:
    return _where_inside(-p.entropy() + (q.high - q.low).log(), (q.low <= 0) & (q.high >= 1))


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    result = -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_normalizer()
    return _where_inside(result, (p.low >= 0) & (p.high <= 1)) if isinstance(p, Uniform) else result


def _to_gumbel(p: Any, q: Any) -> Tensor:
    """The mean of exp(-x / scale) is the moment generating function, which is known for each p."""
    if isinstance(p, Uniform):
        width = p.high - p.low
        tail = q.scale * ((-(p.low - q.loc) / q.scale).exp() - (-(p.high - q.loc) / q.scale).exp()) / width
    else:
        concentration = p.concentration if isinstance(p, Gamma) else 1.0
        tail = (q.loc / q.scale).exp() * (1 + 1 / (p.rate * q.scale)).pow(-concentration)
    return -p.entropy() + q.scale.log() + (p.mean - q.loc) / q.scale + tail


def _uniform_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    reflected = Uniform(1 - p.high, 1 - p.low, validate_args=False)
    constant = a.lgamma() + b.lgamma() - (a + b).lgamma()
    result = -p.entropy() + constant - (a - 1) * _mean_log(p) - (b - 1) * _mean_log(reflected)
    return _where_inside(result, (p.low >= 0) & (p.high <= 1))


def _uniform_pareto(p: Any, q: Any) -> Tensor:
    constant = q.alpha.log() + q.alpha * q.scale.log()
    result = -p.entropy() - constant + (q.alpha + 1) * _mean_log(p)
    return _where_inside(result, p.low >= q.scale)


_TABLE: tuple[tuple[Callable[[Any, Any], Tensor], tuple[type, ...], type], ...] = (
    (_to_normal, (Beta, ContinuousBernoulli, Gamma, Gumbel, Pareto), Normal),
    (_to_exponential, (Beta, ContinuousBernoulli, Pareto), Exponential),
    (_to_gamma, (Beta, Pareto, Uniform), Gamma),
    (_to_uniform, (Beta, ContinuousBernoulli), Uniform),
    (_to_continuous_bernoulli, (Beta, Uniform), ContinuousBernoulli),
    (_to_gumbel, (Exponential, Gamma, Uniform), Gumbel),
    (_uniform_beta, (Uniform,), Beta),
    (_uniform_pareto, (Uniform,), Pareto),
    (infinite, (Exponential, Gamma, Gumbel, Laplace, Normal, Pareto), ContinuousBernoulli),
    (infinite, (ContinuousBernoulli,), Pareto),
)
for _function, _sources, _target in _TABLE:
    for _source in _sources:
        register_kl(_source, _target)(_function)
