"""The generalized Pareto distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Tensor
from unspool.distributions import constraints
from unspool.distributions.distribution import Distribution
from unspool.distributions.utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What lies over a threshold ``loc``: survival (1 + k z)^(-1 / k) with z = (x - loc) / scale.

    k is ``concentration``; 0 gives the exponential distribution, and below 0 loc - scale / k bounds above.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(GeneralizedPareto, batch_shape, _instance, "loc", "scale", "concentration")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        top = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, unspool.where(self.concentration < 0, top, math.inf))

    @property
    def mean(self) -> Any:
        is_finite = self.concentration < 1
        k = unspool.where(is_finite, self.concentration, 0.0)
        return unspool.where(is_finite, self.loc + self.scale / (1 - k), math.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        is_finite = self.concentration < 0.5
        k = unspool.where(is_finite, self.concentration, 0.0)
        return unspool.where(is_finite, self.scale.square() / ((1 - k).square() * (1 - 2 * k)), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(unspool.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        # The density is survival^(1 + k) / scale; constant, also where nothing survives, at k = -1.
        log_survival = self.log_survival_function(value)
        is_uniform = self.concentration == -1
        log_survival = unspool.where(is_uniform, 0.0, log_survival)
        return (1 + self.concentration) * log_survival - self.scale.log()

    def log_survival_function(self, value: Tensor) -> Tensor:
        """Logarithm of the probability of more than ``value``, in the dtype and the broadcast shape."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        is_exponential, k = self._nonzero_concentration()
        return -unspool.where(is_exponential, z, (k * z).log1p() / k)

    def log_cdf(self, value: Tensor) -> Tensor:
        """Logarithm of the probability of at most ``value``, in the dtype and the broadcast shape."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return -self.log_survival_function(value).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        log_survival = (-value).log1p()
        is_exponential, k = self._nonzero_concentration()
        return self.loc + self.scale * unspool.where(
            is_exponential, -log_survival, (-k * log_survival).expm1() / k
        )

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1

    def _nonzero_concentration(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0 within rounding, and the concentration with 1 there."""
        k = self.concentration
        is_zero = unspool.isclose(k, unspool.zeros_like(k))
        return is_zero, unspool.where(is_zero, 1.0, k)
