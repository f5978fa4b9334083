"""The Kumaraswamy distribution."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

import unspool
from unspool._core import Tensor
from unspool.distributions import constraints
from unspool.distributions.transformed_distribution import TransformedDistribution
from unspool.distributions.transforms import AffineTransform, PowerTransform
from unspool.distributions.uniform import Uniform
from unspool.distributions.utils import broadcast_all

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """1 - (1 - x^concentration1)^concentration0 is its distribution function, on [0, 1]."""

    arg_constraints: ClassVar[Any] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support: ClassVar[Any] = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(
            unspool.zeros_like(self.concentration0),
            unspool.ones_like(self.concentration0),
            validate_args=validate_args,
        )
        transforms = [
            PowerTransform(exponent=self.concentration0.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=self.concentration1.reciprocal()),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Kumaraswamy, _instance)
        new.concentration1 = self.concentration1.expand(batch_shape)
        new.concentration0 = self.concentration0.expand(batch_shape)
        return super().expand(batch_shape, new)

    def _moment(self, n: int) -> Any:
        a, b = self.concentration1, self.concentration0
        arg = 1 + n / a
        return (arg.lgamma() + b.lgamma() - (arg + b).lgamma()).exp() * b

    @property
    def mean(self) -> Any:
        return self._moment(1)

    @property
    def mode(self) -> Any:
        a, b = self.concentration1, self.concentration0
        log_mode = ((a - 1) / (a * b - 1)).log() / a
        return unspool.where((a < 1) | (b < 1), float("nan"), log_mode.exp())

    @property
    def variance(self) -> Any:
        return self._moment(2) - self._moment(1).square()

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + np.euler_gamma
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()
