"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

import unspool
from unspool._core import Tensor
from unspool.distributions import constraints
from unspool.distributions.transformed_distribution import TransformedDistribution
from unspool.distributions.transforms import AffineTransform, ExpTransform
from unspool.distributions.uniform import Uniform
from unspool.distributions.utils import broadcast_all

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """Gumbel with mode ``loc`` and ``scale``: the law of maxima."""

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: ClassVar[Any] = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        finfo = unspool.finfo(self.loc.dtype)
        low, high = unspool.full_like(self.loc, finfo.tiny), unspool.full_like(self.loc, 1 - finfo.eps)
        base = Uniform(low, high, validate_args=validate_args)
        transforms = [
            ExpTransform().inv,
            AffineTransform(loc=0, scale=-unspool.ones_like(self.scale)),
            ExpTransform().inv,
            AffineTransform(loc=self.loc, scale=-self.scale),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Gumbel, _instance)
        new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return super().expand(batch_shape, new)

    @property
    def mean(self) -> Any:
        return self.loc + self.scale * np.euler_gamma

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Any:
        return self.stddev.square()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + np.euler_gamma)
