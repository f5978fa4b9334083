"""Probability distributions, under PyTorch's names.

Parameters are tensors whose shape is the batch; samples and densities keep it. Samples of normal, uniform,
Bernoulli, exponential and categorical variables are PyTorch's for the same seed; those of gamma, Poisson and
binomial ones come from NumPy's generators, seeded from the default generator.
"""

from __future__ import annotations

from unspool._lazy import lazy as _on_demand
from unspool.distributions import _kl_mixed as _kl_mixed
from unspool.distributions import constraints, transforms
from unspool.distributions.bernoulli import Bernoulli
from unspool.distributions.beta import Beta
from unspool.distributions.binomial import Binomial
from unspool.distributions.categorical import Categorical
from unspool.distributions.cauchy import Cauchy
from unspool.distributions.chi2 import Chi2
from unspool.distributions.constraint_registry import biject_to, transform_to
from unspool.distributions.continuous_bernoulli import ContinuousBernoulli
from unspool.distributions.dirichlet import Dirichlet
from unspool.distributions.distribution import Distribution, ExponentialFamily
from unspool.distributions.exponential import Exponential
from unspool.distributions.fishersnedecor import FisherSnedecor
from unspool.distributions.gamma import Gamma
from unspool.distributions.generalized_pareto import GeneralizedPareto
from unspool.distributions.geometric import Geometric
from unspool.distributions.gumbel import Gumbel
from unspool.distributions.half_cauchy import HalfCauchy
from unspool.distributions.half_normal import HalfNormal
from unspool.distributions.independent import Independent
from unspool.distributions.inverse_gamma import InverseGamma
from unspool.distributions.kl import kl_divergence, register_kl
from unspool.distributions.kumaraswamy import Kumaraswamy
from unspool.distributions.laplace import Laplace
from unspool.distributions.lkj_cholesky import LKJCholesky
from unspool.distributions.log_normal import LogNormal
from unspool.distributions.logistic_normal import LogisticNormal
from unspool.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from unspool.distributions.mixture_same_family import MixtureSameFamily
from unspool.distributions.multinomial import Multinomial
from unspool.distributions.multivariate_normal import MultivariateNormal
from unspool.distributions.negative_binomial import NegativeBinomial
from unspool.distributions.normal import Normal
from unspool.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from unspool.distributions.pareto import Pareto
from unspool.distributions.poisson import Poisson
from unspool.distributions.relaxed_bernoulli import RelaxedBernoulli
from unspool.distributions.relaxed_categorical import RelaxedOneHotCategorical
from unspool.distributions.studentT import StudentT
from unspool.distributions.transformed_distribution import TransformedDistribution
from unspool.distributions.transforms import *  # noqa: F403
from unspool.distributions.transforms import __all__ as _transforms
from unspool.distributions.uniform import Uniform
from unspool.distributions.von_mises import VonMises
from unspool.distributions.weibull import Weibull
from unspool.distributions.wishart import Wishart

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "constraints",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "transforms",
]
__all__ += _transforms

__getattr__ = _on_demand(__name__)
