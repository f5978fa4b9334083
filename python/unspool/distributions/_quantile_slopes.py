"""How a sample moves with a parameter at a fixed probability (Figurnov, Mohamed and Mnih 2018).

The derivative of the quantile is -(dF / d parameter) / density. F is a series of positive terms, and the
derivative of each is the term times that of its logarithm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import unspool
from unspool._core import Tensor

__all__ = ["beta_slope", "differentiable_once", "gamma_slope"]

Array = np.ndarray[Any, Any]
_TINY = 1e-300


def _digamma(x: Array) -> Array:
    return np.asarray(unspool.from_numpy(x).digamma().numpy())


def gamma_slope(concentration: Array, value: Array) -> Array:
    """Derivative of gamma's quantile of rate 1 by its concentration, in float64.

    F = exp(-z) sum of z^(a + n) / Gamma(a + n + 1), whose terms have the derivatives ln z - digamma(a + n +
    1).
    """
    a, z = np.asarray(concentration, np.float64), np.maximum(np.asarray(value, np.float64), _TINY)
    digamma = _digamma(a + 1)
    log_z = np.log(z)
    # Each term over z times the density, which is z^a exp(-z) / Gamma(a).
    term = 1 / a
    total = term * (log_z - digamma)
    n = 0
    last = float(np.max(z - a, initial=0.0) + 12 * np.sqrt(np.max(z, initial=0.0)) + 60)
    while n < last:
        n += 1
        term = term * z / (a + n)
        digamma = digamma + 1 / (a + n)
        total = total + term * (log_z - digamma)
    return np.asarray(-total * z)


def beta_slope(concentration1: Array, concentration0: Array, value: Array) -> Array:
    """Derivative of beta's quantile by ``concentration1``, over 1 - value, in float64; all of one shape.

    F is x^a (1 - x)^b / (a B) times the sum over n of x^n (a + b) ... (a + b + n - 1) / (a + 1) ... (a + n).
    1 - F is the same with a and b, x and 1 - x exchanged; the one is taken that converges sooner, unless so
    little lies on the other side that the difference to 1 would lose digits.
    """
    a, b, x = (np.asarray(v, np.float64).reshape(-1) for v in (concentration1, concentration0, value))
    mean = a / (a + b)
    far = 5 * np.sqrt(mean * (1 - mean) / (a + b + 1))
    upper = np.where(x > 0.5, x >= mean - far, x > mean + far)
    near, other = np.where(upper, 1 - x, x), np.where(upper, b, a)
    # Each term over the density times 1 - x, and the derivative of its logarithm by a.
    term = np.where(upper, x, near) / other
    logarithm = np.log(np.maximum(x, _TINY)) + _digamma(a + b) - _digamma(a) - np.where(upper, 0, 1 / a)
    total, size = term * logarithm, np.abs(term)
    active, n = np.arange(a.size), 0
    while active.size:
        n += 1
        sum_, below, part = (a + b)[active] + n - 1, other[active] + n, near[active]
        ratio = part * sum_ / below
        term[active] *= ratio
        logarithm[active] += 1 / sum_ - np.where(upper[active], 0, 1 / below)
        total[active] += term[active] * logarithm[active]
        size[active] += term[active]
        rest = term[active] * (1 + np.abs(logarithm[active])) / np.maximum(1 - np.maximum(ratio, part), _TINY)
        active = active[(ratio >= 1) | (rest > 1e-13 * size[active])]
    return np.asarray(np.where(upper, total, -total).reshape(np.shape(value)))


class _Once(unspool.autograd.Function):
    """A value with no derivative of its own: a gradient that arrives raises."""

    verified_as = "nothing"

    @staticmethod
    def forward(ctx: Any, name: str, value: Tensor, *parameters: Tensor) -> Tensor:
        del parameters
        ctx.name = name
        return value.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        del gradient
        raise NotImplementedError(
            f"{ctx.name}: samples are differentiable once; take the second derivative through log_prob, or "
            f"from a distribution whose samples are made of operations (Normal, Kumaraswamy, ...)"
        )


def differentiable_once(name: str, value: Tensor, *parameters: Tensor) -> Tensor:
    """``value``, whose derivative by ``parameters`` raises in the name of ``name``."""
    result: Tensor = _Once.apply(name, value, *parameters)
    return result
