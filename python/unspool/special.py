"""Special functions. What also exists as ``unspool.x`` is the same function."""

from __future__ import annotations

from unspool._bessel import i0, i0e, i1, i1e
from unspool._core import Tensor, dtype, functional, ops
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
from unspool._core.ops import lgamma as gammaln
from unspool._core.ops import sigmoid as expit
from unspool._mathematics import entr, log_ndtr, ndtr, ndtri, polygamma, sinc, xlog1py, zeta
from unspool._mathematics import mvlgamma as multigammaln


def softmax(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """Softmax along a dimension."""
    return functional.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """Logarithm of softmax along a dimension."""
    return functional.log_softmax(input, dim, dtype=dtype)


def erfcx(input: Tensor) -> Tensor:
    """Give exp(x^2) erfc(x), without overflow for large x."""
    x = input if input.is_floating_point() else input.float()
    is_large = ops.gt(x, 5)
    # From 5 on by the continued fraction of erfc.
    t = ops.where(is_large, x, 6.0)
    fraction = t
    for k in range(40, 0, -1):
        fraction = t + (k / 2) / fraction
    near = ops.where(is_large, 0.0, x)
    return ops.where(is_large, 0.5641895835477563 / fraction, ops.exp(ops.square(near)) * ops.erfc(near))


__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
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
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]
