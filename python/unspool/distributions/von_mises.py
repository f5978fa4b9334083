"""The von Mises distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

import unspool
from unspool._core import Tensor
from unspool.distributions import constraints
from unspool.distributions.distribution import Distribution
from unspool.distributions.utils import broadcast_all, numpy_generator

__all__ = ["VonMises"]

# ln I0 and ln I1 in powers of (x / 3.75)^2, and of 3.75 / x above (Abramowitz and Stegun 1964, 9.8.1 to
# 9.8.4).
_SMALL = (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.360768e-1, 0.45813e-2)
_LARGE = (
    0.39894228, 0.1328592e-1, 0.225319e-2, -0.157565e-2, 0.916281e-2, -0.2057706e-1, 0.2635537e-1,
    -0.1647633e-1,
    0.392377e-2,
)  # fmt: skip
_SMALL1 = (0.5, 0.87890594, 0.51498869, 0.15084934, 0.2658733e-1, 0.301532e-2, 0.32411e-3)
_LARGE1 = (
    0.39894228, -0.3988024e-1, -0.362018e-2, 0.163801e-2, -0.1031555e-1, 0.2282967e-1, -0.2895312e-1,
    0.1787654e-1, -0.420059e-2,
)  # fmt: skip


def _polynomial(y: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    result = unspool.full_like(y, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = c + y * result
    return result


def _log_bessel(x: Tensor, order: int = 0) -> Tensor:
    """The logarithm of the modified Bessel function of order 0 or 1, to 2e-7."""
    near, far = ((_SMALL, _LARGE), (_SMALL1, _LARGE1))[order]
    below = x.clamp(max=3.75)
    small = _polynomial((below / 3.75).square(), near).log()
    if order == 1:
        small = small + below.abs().log()
    above = x.clamp(min=3.75)
    large = above - 0.5 * above.log() + _polynomial(3.75 / above, far).log()
    return unspool.where(x < 3.75, small, large)


class VonMises(Distribution):
    """The normal distribution of angles: around ``loc``, the more closely the larger ``concentration``."""

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "concentration": constraints.positive}
    support: ClassVar[Any] = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(VonMises, batch_shape, _instance, "loc", "concentration")

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        """The circular variance."""
        return 1 - (_log_bessel(self.concentration, 1) - _log_bessel(self.concentration)).exp()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        loc, kappa = (x.detach().expand(shape).numpy() for x in (self.loc, self.concentration))
        return unspool.from_numpy(np.asarray(numpy_generator().vonmises(loc, kappa), dtype=loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        height = self.concentration * (value - self.loc).cos()
        return height - math.log(2 * math.pi) - _log_bessel(self.concentration)
