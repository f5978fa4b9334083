"""The gamma distribution."""

from __future__ import annotations

from typing import Any, ClassVar

import unspool
from unspool._core import Tensor, hidden
from unspool.distributions import constraints
from unspool.distributions._quantile_slopes import differentiable_once, gamma_slope
from unspool.distributions.distribution import ExponentialFamily
from unspool.distributions.utils import broadcast_all

__all__ = ["Gamma"]


class _StandardGamma(unspool.autograd.Function):
    """Samples of scale 1, differentiable by the concentration (Figurnov, Mohamed and Mnih 2018)."""

    # The gradient is that of the quantile, while the algorithm accepts and rejects.
    verified_as = "nothing"

    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        result = hidden.standard_gamma(concentration.detach())
        ctx.save_for_backward(concentration, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        concentration, value = ctx.saved_tensors
        moved = gamma_slope(concentration.detach().numpy(), value.detach().numpy())
        slope = unspool.from_numpy(moved).to(value.dtype)
        return gradient * differentiable_once("Gamma.rsample", slope, concentration)


def standard_gamma(concentration: Tensor) -> Tensor:
    """Samples of gamma distributions of rate 1, with gradients for the concentrations."""
    result: Tensor = _StandardGamma.apply(concentration.contiguous())
    return result


class Gamma(ExponentialFamily):
    """Gamma with shape ``concentration`` and ``rate``, the inverse of the scale."""

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive, "rate": constraints.positive}
    support: ClassVar[Any] = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(Gamma, batch_shape, _instance, "concentration", "rate")

    @property
    def mean(self) -> Any:
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        value = unspool.as_tensor(value, dtype=self.rate.dtype)
        if self._validate_args:
            self._validate_sample(value)
        return (
            unspool.xlogy(self.concentration, self.rate)
            + unspool.xlogy(self.concentration - 1, value)
            - self.rate * value
            - self.concentration.lgamma()
        )

    def cdf(self, value: Tensor) -> Tensor:
        value = unspool.as_tensor(value, dtype=self.rate.dtype)
        if self._validate_args:
            self._validate_sample(value)
        return unspool.igamma(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1 - a) * a.digamma()
