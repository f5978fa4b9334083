"""The continuous Bernoulli distribution (Loaiza-Ganem and Cunningham 2019)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Tensor
from unspool.distributions import constraints
from unspool.distributions.distribution import ExponentialFamily
from unspool.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from unspool.nn.functional import binary_cross_entropy_with_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ExponentialFamily):
    """Density proportional to probs^x (1 - probs)^(1 - x) on [0, 1].

    Args:
        probs: in (0, 1).
        logits: the log-odds, in its place.
        lims: between these values of ``probs`` series around 1/2 replace quotients of small differences.
        validate_args: check the arguments.
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: ClassVar[Any] = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            self.probs = clamp_probs(self.probs)
        else:
            (self.logits,) = broadcast_all(logits)
        self._lims = lims
        given = self.logits if probs is None else self.probs
        super().__init__(given.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(ContinuousBernoulli, batch_shape, _instance, "probs", "logits")
        new._lims = self._lims
        return new

    @lazy_property
    def logits(self) -> Any:
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _is_central(self) -> Tensor:
        return (self.probs > self._lims[0]) & (self.probs < self._lims[1])

    def _away(self) -> Tensor:
        """Give probs where it is not central, and a value that harms nothing elsewhere."""
        return unspool.where(self._is_central(), self._lims[0], self.probs)

    def _log_normalizer(self) -> Tensor:
        p = self._away()
        exact = ((-p).log1p() - p.log()).abs().log() - unspool.where(
            p <= 0.5, (-2.0 * p).log1p(), (2.0 * p - 1.0).abs().log()
        )
        square = (self.probs - 0.5).square()
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * square) * square
        return unspool.where(self._is_central(), series, exact)

    @property
    def mean(self) -> Any:
        p = self._away()
        exact = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        x = self.probs - 0.5
        return unspool.where(self._is_central(), 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.square()) * x, exact)

    @property
    def variance(self) -> Any:
        p = self._away()
        exact = p * (p - 1.0) / (1.0 - 2.0 * p).square() + 1.0 / ((-p).log1p() - p.log()).square()
        square = (self.probs - 0.5).square()
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * square) * square
        return unspool.where(self._is_central(), series, exact)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(unspool.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._log_normalizer()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        p = self._away()
        exact = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        return unspool.where(self._is_central(), value, exact).clamp(0.0, 1.0)

    def icdf(self, value: Tensor) -> Tensor:
        p = self._away()
        above = (-p + value * (2.0 * p - 1.0)).log1p() - (-p).log1p()
        return unspool.where(self._is_central(), value, above / (p.log() - (-p).log1p()))

    def entropy(self) -> Tensor:
        first, second = (-self.probs).log1p(), self.probs.log()
        return self.mean * (first - second) - self._log_normalizer() - first
