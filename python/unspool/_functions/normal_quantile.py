"""The quantile function of the standard normal law, accurate in both tails."""

from __future__ import annotations

import math
from typing import Any

from unspool._arguments import require_tensor
from unspool._core import Tensor, get_default_dtype, ops
from unspool._functions.mathematics import log_ndtr
from unspool._functions.out import with_out

__all__ = ["ndtri"]

# Below, 2p - 1 has lost too much of p for erfinv.
_TAIL = 0.02


@with_out
def ndtri(input: Tensor) -> Tensor:
    """Inverse of ndtr: -inf at 0, inf at 1, NaN outside of [0, 1]."""
    require_tensor("input", input, "ndtri")
    p = input if input.is_floating_point() else input.to(get_default_dtype())
    if not p.requires_grad:
        return _quantile(p)
    from unspool.autograd.function import Function

    class Quantile(Function):
        @staticmethod
        def forward(ctx: Any, p: Tensor) -> Tensor:
            z = _quantile(p)
            ctx.save_for_backward(z)
            return z

        @staticmethod
        def backward(ctx: Any, cotangent: Tensor) -> Tensor:
            (z,) = ctx.saved_tensors
            return cotangent * math.sqrt(2 * math.pi) * ops.exp(ops.square(z) / 2)

    quantile: Tensor = Quantile.apply(p)
    return quantile


def _quantile(p: Tensor) -> Tensor:
    is_upper = ops.gt(p, 0.5)
    q = ops.where(is_upper, 1 - p, p)  # exact above one half
    is_tail = ops.logical_and(ops.gt(q, 0), ops.lt(q, _TAIL))
    logarithm = ops.log(ops.where(is_tail, q, _TAIL))
    # Newton's method on log ndtr(z) = log q, which is nearly a parabola there, from its leading terms.
    square = -2 * logarithm - math.log(2 * math.pi)
    z = -ops.sqrt(square - ops.log(square))
    for _ in range(4):
        found = log_ndtr(z)
        slope = ops.exp(-ops.square(z) / 2 - math.log(2 * math.pi) / 2 - found)
        z = z - (found - logarithm) / slope
    z = ops.where(is_tail, z, ops.erfinv(2 * q - 1) * math.sqrt(2))
    return ops.where(is_upper, -z, z)
