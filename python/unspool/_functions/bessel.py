"""Modified Bessel functions of the first kind, orders 0 and 1.

The scaled ones are compositions, whose derivatives lose nothing for large numbers: up to 8 by the power
series in x^2 / 4, whose terms are all positive; beyond by Chebyshev series of sqrt(x) exp(-x) I(x) in
16 / x - 1, fitted to 40 digits.
"""

from __future__ import annotations

import math
from typing import Any

from unspool import _core
from unspool._core import Tensor, hidden, ops
from unspool._functions.out import with_out

_SERIES_END = 8.0
# Of the power series, by the precision of the elements. In float32 more would be lost in the sum, and the
# powers of x^2 / 4 <= 16 in its derivative would overflow.
_TERMS = {_core.float64: 34}
_FEWER_TERMS = 22
_FAR_0 = (
    0.4022452055070544,
    0.0033691164782556943,
    6.889758346916825e-05,
    2.8913705208347567e-06,
    2.0489185894690638e-07,
    2.266668990498178e-08,
    3.3962320257083865e-09,
    4.94060238822497e-10,
    1.1889147107846439e-11,
    -3.1499165279632416e-11,
    -1.3215811840447713e-11,
    -1.7941785315068062e-12,
    7.180124451383666e-13,
    3.8527783827421426e-13,
    1.54008621752141e-14,
    -4.150569347287222e-14,
    -9.554846698828307e-15,
    3.8116806693526224e-15,
    1.7725601330565263e-15,
    -3.425485619677219e-16,
    -2.8276239805165836e-16,
)
_FAR_1 = (
    0.38928811750914005,
    -0.009761097491361469,
    -0.00011058893876262371,
    -3.882564808877691e-06,
    -2.512236237870209e-07,
    -2.6314688468895196e-08,
    -3.835380385964237e-09,
    -5.589743462196584e-10,
    -1.8974958123505413e-11,
    3.2526035830154884e-11,
    1.4125807436613782e-11,
    2.0356285441470896e-12,
    -7.198551776245908e-13,
    -4.0835511110921974e-13,
    -2.1015418427726643e-14,
    4.272440016711951e-14,
    1.0420276984128802e-14,
    -3.8144030724370075e-15,
    -1.8803547755107825e-15,
    3.3082023109209285e-16,
    2.96262899764595e-16,
)


def _series(y: Tensor, order: int) -> Tensor:
    """Sum over k of y^k / (k! (k + order)!)."""
    total = _core.zeros_like(y)
    for k in range(_TERMS.get(y.dtype, _FEWER_TERMS), -1, -1):
        total = total * y + 1 / (math.factorial(k) * math.factorial(k + order))
    return total


def _chebyshev(t: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """Clenshaw's recurrence (1955)."""
    last, before = _core.zeros_like(t), _core.zeros_like(t)
    for coefficient in coefficients[:0:-1]:
        last, before = t * last * 2 - before + coefficient, last
    return t * last - before + coefficients[0]


def _floating(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input if input.is_floating_point() else input.to(_core.get_default_dtype())


def _scaled(input: Tensor, order: int, name: str) -> Tensor:
    x = _floating(input, name)
    if x.dtype in (_core.float16, _core.bfloat16):  # whose range ends before that of the terms
        return _scaled(x.float(), order, name).to(x.dtype)
    size = ops.abs(x)
    is_far = ops.gt(size, _SERIES_END)
    near = ops.where(is_far, 0.0, x)
    series = _series(ops.square(near) / 4, order)
    if order:
        series = series * near / 2
    far = ops.where(is_far, size, _SERIES_END)
    beyond = _chebyshev(16 / far - 1, (_FAR_0, _FAR_1)[order]) / ops.sqrt(far)
    if order:
        beyond = beyond * ops.sign(x)
    return ops.where(is_far, beyond, series * ops.exp(-ops.abs(near)))


@with_out
def i0(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind of order 0."""
    return hidden.bessel_i0(_floating(input, "i0"))


@with_out
def i0e(input: Tensor) -> Tensor:
    """Give exp(-|x|) i0(x), which does not overflow."""
    return _scaled(input, 0, "i0e")


@with_out
def i1(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind of order 1."""
    return hidden.bessel_i1(_floating(input, "i1"))


@with_out
def i1e(input: Tensor) -> Tensor:
    """Give exp(-|x|) i1(x), which does not overflow."""
    return _scaled(input, 1, "i1e")


__all__ = ["i0", "i0e", "i1", "i1e"]
METHODS = IN_PLACE = ["i0"]
