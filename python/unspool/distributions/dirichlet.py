"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any, ClassVar

import unspool
from unspool._core import Size, Tensor, hidden
from unspool.distributions import constraints
from unspool.distributions._quantile_slopes import beta_slope, differentiable_once
from unspool.distributions.distribution import ExponentialFamily

__all__ = ["Dirichlet"]


class _Shares(unspool.autograd.Function):
    """Samples, differentiable by the concentrations.

    Each share is beta distributed. It moves with its own concentration at a fixed probability, while the
    others shrink or grow in proportion.
    """

    # The gradient is that of the quantiles, while the algorithm accepts and rejects.
    verified_as = "nothing"

    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        # In float64, where the draws of small concentrations are not all 0.
        draws = hidden.standard_gamma(concentration.detach().double())
        shares = (draws / draws.sum(-1, keepdim=True)).to(concentration.dtype)
        shares = shares.clamp(min=unspool.finfo(shares.dtype).tiny)
        ctx.save_for_backward(concentration, shares)
        return shares

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        concentration, shares = ctx.saved_tensors
        own = concentration.detach().double()
        others = own.sum(-1, keepdim=True) - own
        moved = beta_slope(own.numpy(), others.numpy(), shares.detach().double().numpy())
        slope = unspool.from_numpy(moved).to(shares.dtype)
        slope = differentiable_once("Dirichlet.rsample", slope, concentration)
        return slope * (gradient - (shares * gradient).sum(-1, keepdim=True))


class Dirichlet(ExponentialFamily):
    """Vectors of positive numbers with sum 1, along the last dimension of ``concentration``."""

    arg_constraints: ClassVar[Any] = {"concentration": constraints.independent(constraints.positive, 1)}
    support: ClassVar[Any] = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Dirichlet, _instance)
        new.concentration = self.concentration.expand(*batch_shape, *self._event_shape)
        super(Dirichlet, new).__init__(Size(batch_shape), self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Any:
        above = (self.concentration - 1).clamp(min=0)
        mode = above / above.sum(-1, keepdim=True)
        is_edge = (self.concentration < 1).all(-1, keepdim=True)
        corner = unspool.arange(self._event_shape[0]) == self.concentration.argmax(-1, keepdim=True)
        return unspool.where(is_edge, corner.to(mode.dtype), mode)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shares: Tensor = _Shares.apply(self.concentration.expand(self._extended_shape(sample_shape)))
        return shares

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return unspool.xlogy(a - 1, value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self) -> Tensor:
        a, k = self.concentration, self._event_shape[0]
        total = a.sum(-1)
        return (
            a.lgamma().sum(-1)
            - total.lgamma()
            - (k - total) * total.digamma()
            - ((a - 1) * a.digamma()).sum(-1)
        )
