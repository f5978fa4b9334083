"""Special functions. What also exists as ``unspool.x`` is the same function."""

from __future__ import annotations

from unspool._arguments import require_tensor
from unspool._core import Tensor, dtype, functional, get_default_dtype, hidden, ops
from unspool._core.ops import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    log1p,
    logit,
    logsumexp,
    round,
    xlogy,
)
from unspool._core.ops import digamma as psi
from unspool._core.ops import igamma as gammainc
from unspool._core.ops import igammac as gammaincc
from unspool._core.ops import lgamma as gammaln
from unspool._core.ops import sigmoid as expit
from unspool._functions.bessel import i0, i0e, i1, i1e
from unspool._functions.mathematics import entr, log_ndtr, ndtr, polygamma, sinc, xlog1py, zeta
from unspool._functions.mathematics import mvlgamma as multigammaln
from unspool._functions.normal_quantile import ndtri
from unspool._functions.out import with_out
from unspool._functions.polynomials import *  # noqa: F403
from unspool._functions.polynomials import __all__ as _polynomial_names
from unspool._tensor.asked_functions import offer as _offer


def softmax(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """Softmax along a dimension."""
    return functional.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """Logarithm of softmax along a dimension."""
    return functional.log_softmax(input, dim, dtype=dtype)


@with_out
def erfcx(input: Tensor) -> Tensor:
    """Give exp(x^2) erfc(x), without overflow for large x."""
    require_tensor("input", input, "erfcx")
    x = input if input.is_floating_point() else input.float()
    is_large, is_small = ops.gt(x, 5), ops.lt(x, -5)
    # From 5 on by the continued fraction of erfc; below -5 by erfcx(x) = 2 exp(x^2) - erfcx(-x), whose
    # derivative is infinite where it overflows.
    t = ops.where(is_large, x, ops.where(is_small, -x, 6.0))
    fraction = t
    for k in range(40, 0, -1):
        fraction = t + (k / 2) / fraction
    tail = 0.5641895835477563 / fraction
    near = ops.where(is_large | is_small, 0.0, x)
    far = ops.where(is_small, x, 0.0)
    middle = ops.exp(ops.square(near)) * ops.erfc(near)
    return ops.where(is_large, tail, ops.where(is_small, 2 * ops.exp(ops.square(far)) - tail, middle))


def _floating(input: Tensor, who: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{who}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input if input.is_floating_point() else input.to(get_default_dtype())


@with_out
def bessel_j0(input: Tensor) -> Tensor:
    """Bessel function of the first kind of order 0."""
    return hidden.bessel_j0(_floating(input, "bessel_j0"))


@with_out
def bessel_j1(input: Tensor) -> Tensor:
    """Bessel function of the first kind of order 1."""
    return hidden.bessel_j1(_floating(input, "bessel_j1"))


@with_out
def bessel_y0(input: Tensor) -> Tensor:
    """Bessel function of the second kind of order 0: -inf at 0, NaN below."""
    return hidden.bessel_y0(_floating(input, "bessel_y0"))


@with_out
def bessel_y1(input: Tensor) -> Tensor:
    """Bessel function of the second kind of order 1: -inf at 0, NaN below."""
    return hidden.bessel_y1(_floating(input, "bessel_y1"))


@with_out
def spherical_bessel_j0(input: Tensor) -> Tensor:
    """Spherical Bessel function of the first kind of order 0: sin(x) / x, 1 at 0."""
    x = _floating(input, "spherical_bessel_j0")
    is_near, is_far = ops.lt(ops.abs(x), 0.1), ops.isinf(x)
    near, far = ops.square(ops.where(is_near, x, 0.0)), ops.where(ops.logical_or(is_near, is_far), 1.0, x)
    series = 1 - near / 6 * (1 - near / 20 * (1 - near / 42 * (1 - near / 72)))
    return ops.where(is_near, series, ops.where(is_far, 0.0, ops.sin(far) / far))


@with_out
def modified_bessel_i0(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind of order 0, which is also ``i0``."""
    return i0(input)


@with_out
def modified_bessel_i1(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind of order 1, which is also ``i1``."""
    return i1(input)


@with_out
def modified_bessel_k0(input: Tensor) -> Tensor:
    """Modified Bessel function of the second kind of order 0: inf at 0, NaN below."""
    x = _floating(input, "modified_bessel_k0")
    return hidden.bessel_k0e(x) * ops.exp(-x)


@with_out
def modified_bessel_k1(input: Tensor) -> Tensor:
    """Modified Bessel function of the second kind of order 1: inf at 0, NaN below."""
    x = _floating(input, "modified_bessel_k1")
    return hidden.bessel_k1e(x) * ops.exp(-x)


@with_out
def scaled_modified_bessel_k0(input: Tensor) -> Tensor:
    """Give exp(x) modified_bessel_k0(x), which does not underflow."""
    return hidden.bessel_k0e(_floating(input, "scaled_modified_bessel_k0"))


@with_out
def scaled_modified_bessel_k1(input: Tensor) -> Tensor:
    """Give exp(x) modified_bessel_k1(x), which does not underflow."""
    return hidden.bessel_k1e(_floating(input, "scaled_modified_bessel_k1"))


__all__ = [
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]
__all__ += _polynomial_names

_offer(globals(), __all__)
