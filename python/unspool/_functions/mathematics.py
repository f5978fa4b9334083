"""Arithmetic and special functions: short compositions of operations, so that all derivatives follow."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor, require_tensors
from unspool._core import Tensor, hidden, ops
from unspool._dtypes import result_type
from unspool._functions.out import into, with_out
from unspool._functions.undifferentiable import without_derivative
from unspool._warning import warn


def _floating(x: Tensor) -> Tensor:
    """The tensor, integers and bool in the default dtype."""
    return x if x.is_floating_point() else x.to(_core.get_default_dtype())


def _vector(name: str, x: Tensor, who: str) -> Tensor:
    if require_tensor(name, x, who).ndim != 1:
        raise RuntimeError(f"{who}: {name} must be 1-d, got shape {tuple(x.shape)}")
    return x


# Elementwise ----------------------------------------------------------------------------------------------


@with_out
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Step function: 0 below zero, 1 above, and values at zero. Going back through it raises."""
    require_tensors("heaviside", input=input, values=values)
    if input.dtype != values.dtype:
        raise RuntimeError(
            f"heaviside: input is {input.dtype} and values {values.dtype}: they must have one dtype"
        )
    steps = ops.gt(input, 0).to(input.dtype)
    result = ops.where(ops.eq(input, 0), values.detach(), steps)
    return without_derivative("heaviside", result, input, values)


@with_out
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Give input * 2 ^ other."""
    require_tensors("ldexp", input=input, other=other)
    scaled = ops.mul(input, ops.exp2(_floating(other)))
    # The exponent does not widen a floating result.
    widens = input.is_floating_point() and not other.is_floating_point()
    return scaled.to(input.dtype) if widens else scaled


class FrexpResult(NamedTuple):
    """What frexp returns."""

    mantissa: Tensor
    exponent: Tensor


@with_out
def frexp(input: Tensor) -> FrexpResult:
    """Split floating numbers into mantissa * 2 ^ exponent with 0.5 <= |mantissa| < 1; exponents are int32."""
    if not require_tensor("input", input, "frexp").is_floating_point():
        raise RuntimeError(f"frexp: needs a floating dtype, got {input.dtype}")
    if input.dtype in (_core.bfloat16, _core.float16):  # which float32 holds exactly
        mantissa, exponent = frexp(input.float())
        return FrexpResult(mantissa.to(input.dtype), exponent)
    exponents = np.frexp(input.detach().numpy())[1].astype(np.int32)
    # In two factors, because 2 ^ -exponent alone may overflow.
    half = _core.from_numpy(np.asarray(np.ldexp(1.0, -(exponents // 2)), input.detach().numpy().dtype))
    rest = _core.from_numpy(
        np.asarray(np.ldexp(1.0, -(exponents - exponents // 2)), input.detach().numpy().dtype)
    )
    return FrexpResult(input * half * rest, _core.from_numpy(np.asarray(exponents)))


@with_out
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Give log2(2 ^ input + 2 ^ other) without overflow."""
    require_tensors("logaddexp2", input=input, other=other)
    # Masks count as 0 and 1 beside floating numbers.
    kind = result_type(input, other)
    input, other = (x.to(kind) if x.dtype == _core.bool and kind != _core.bool else x for x in (input, other))
    high = ops.maximum(input, other)
    gap = -ops.abs(input - other)
    return ops.where(ops.eq(input, other), high + 1, high + ops.log1p(ops.exp2(gap)) / math.log(2))


@with_out
def sinc(input: Tensor) -> Tensor:
    """Give sin(pi x) / (pi x), 1 at 0."""
    angle = _floating(require_tensor("input", input, "sinc")) * math.pi
    at_zero = ops.eq(angle, 0)
    safe = ops.where(at_zero, 1, angle)
    # At 0 by its series, whose derivatives are right there.
    return ops.where(at_zero, 1 - ops.square(angle) / 6, ops.sin(safe) / safe)


@with_out
def xlog1py(input: Tensor | float, other: Tensor | float) -> Tensor:
    """Give input * log(1 + other), 0 where input is 0 (NaN where other is NaN); one of them is a tensor."""
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        raise TypeError("xlog1py(): one of the operands must be a Tensor; make one with tensor()")
    x = input if isinstance(input, Tensor) else _number_beside(other, input)
    y = other if isinstance(other, Tensor) else _number_beside(input, other)
    if not y.is_floating_point() and x.is_floating_point():
        y = y.to(result_type(x, y))
    # 0 times what is no number or infinite; elsewhere at 0 the slope by x is the logarithm.
    is_lost = ops.logical_and(ops.eq(x, 0), ops.logical_or(ops.le(y, -1), ops.eq(y, math.inf)))
    return ops.mul(x, ops.log1p(ops.where(is_lost, 0, y)))


def _number_beside(tensor: Any, number: float) -> Tensor:
    """The number in the precision of a tensor that it meets."""
    is_exact = isinstance(tensor, Tensor) and tensor.is_floating_point()
    return _core.tensor(number, dtype=tensor.dtype if is_exact else _core.get_default_dtype())


@with_out
def float_power(input: Tensor | float, exponent: Tensor | float) -> Tensor:
    """Give input ^ exponent, computed in float64."""
    double = [x.double() if isinstance(x, Tensor) else float(x) for x in (input, exponent)]
    return ops.pow(double[0], double[1])


def float_power_(self: Tensor, exponent: Tensor | float) -> Tensor:
    """``float_power`` in place.

    Raises:
        RuntimeError: the tensor is not float64, which the result is.
    """
    if self.dtype != _core.float64:
        raise RuntimeError(
            f"float_power_: the result is float64 and cannot be written into {self.dtype}; convert it first"
        )
    return self.pow_(exponent.double() if isinstance(exponent, Tensor) else float(exponent))


@with_out
def deg2rad(input: Tensor) -> Tensor:
    """Turn degrees into radians."""
    return _floating(require_tensor("input", input, "deg2rad")) * (math.pi / 180)


@with_out
def rad2deg(input: Tensor) -> Tensor:
    """Turn radians into degrees."""
    return _floating(require_tensor("input", input, "rad2deg")) * (180 / math.pi)


@with_out
def isposinf(input: Tensor) -> Tensor:
    """Whether each element is +inf."""
    return ops.eq(require_tensor("input", input, "isposinf"), math.inf)


@with_out
def isneginf(input: Tensor) -> Tensor:
    """Whether each element is -inf."""
    return ops.eq(require_tensor("input", input, "isneginf"), -math.inf)


def isreal(input: Tensor) -> Tensor:
    """Whether each element is real: always."""
    return _core.ones(require_tensor("input", input, "isreal").shape, dtype=_core.bool)


# Gamma and zeta -------------------------------------------------------------------------------------------


@with_out
def zeta(input: Tensor | float, other: Tensor | float) -> Tensor:
    """Hurwitz zeta function, the sum over k >= 0 of (other + k) ^ -input; differentiable by ``other``.

    Infinite where ``input`` is 1 or ``other`` is 0, -1, ...; NaN where ``input`` is below 1.
    """
    return hidden.zeta(input, other)


@with_out
def polygamma(n: int | Tensor, input: Tensor | int) -> Tensor:
    """Derivative of order n of digamma. As a method: ``input.polygamma(n)``."""
    if isinstance(n, Tensor) and isinstance(input, int):
        n, input = input, n
    if not isinstance(n, int) or not isinstance(input, Tensor):
        raise TypeError("polygamma(): expected an int and a Tensor")
    if n < 0:
        raise RuntimeError(f"polygamma: n must not be negative, got {n}")
    if n == 0:
        return ops.digamma(input)
    # Beyond 170 a factorial is no double.
    factor = math.factorial(n) if n <= 170 else math.inf
    return hidden.zeta(n + 1.0, _floating(input)) * ((-1.0) ** (n + 1) * factor)


@with_out
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension p; elements must exceed (p - 1) / 2."""
    p = operator.index(p)
    if p < 1:
        raise RuntimeError(f"mvlgamma: p must be at least 1, got {p}")
    x = _floating(require_tensor("input", input, "mvlgamma"))
    total = ops.lgamma(x) + p * (p - 1) / 4 * math.log(math.pi)
    for i in range(1, p):
        total = total + ops.lgamma(x - i / 2)
    return total


@with_out
def ndtr(input: Tensor) -> Tensor:
    """Distribution function of the standard normal."""
    require_tensor("input", input, "ndtr")
    return ops.erfc(_floating(input) * -math.sqrt(0.5)) / 2


@with_out
def log_ndtr(input: Tensor) -> Tensor:
    """Logarithm of the standard normal's distribution function, also far below zero."""
    require_tensor("input", input, "log_ndtr")
    x = _floating(input)
    is_low = ops.lt(x, -5)
    # Below -5 by the continued fraction of Mills' ratio, elsewhere directly.
    t = -ops.where(is_low, x, -6.0)
    fraction = t
    for k in range(40, 0, -1):
        fraction = t + k / fraction
    tail = -ops.square(t) / 2 - math.log(2 * math.pi) / 2 - ops.log(fraction)
    return ops.where(is_low, tail, ops.log(ndtr(ops.where(is_low, 0.0, x))))


@with_out
def entr(input: Tensor) -> Tensor:
    """Give -x log(x): 0 at 0, -inf below."""
    require_tensor("input", input, "entr")
    x = _floating(input)
    at_zero, is_endless = ops.eq(x, 0), ops.eq(x, math.inf)
    safe = ops.where(ops.logical_or(at_zero, is_endless), 1, x)
    # The root is as 0 as the entropy there, and as steep; -0 counts as 0.
    rest = ops.where(at_zero, ops.sqrt(ops.where(at_zero, x + 0.0, 1)), -safe * ops.log(safe))
    # At infinity, too, the slope is that of the limit.
    rest = ops.where(is_endless, ops.where(is_endless, x, 1) * -math.inf, rest)
    return ops.where(ops.lt(x, 0), -math.inf, rest)


# Products -------------------------------------------------------------------------------------------------


@with_out
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum products over the last dimension of both; numbers multiply."""
    a, b = require_tensor("input", input, "inner"), require_tensor("other", other, "inner")
    if a.ndim == 0 or b.ndim == 0:
        return ops.mul(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(f"inner: the last dimensions of {tuple(a.shape)} and {tuple(b.shape)} differ")
    rows, columns = math.prod(a.shape[:-1]), math.prod(b.shape[:-1])
    product = ops.mm(a.reshape(rows, a.shape[-1]), b.reshape(columns, b.shape[-1]).t())
    return product.reshape([*a.shape[:-1], *b.shape[:-1]])


@with_out
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Dot product of two vectors."""
    require_tensor("other", other, "vdot")
    return ops.dot(input, other)


def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix."""
    if require_tensor("input", input, "trace").ndim != 2:
        raise RuntimeError(f"trace: expects a matrix, got shape {tuple(input.shape)}")
    return input.diagonal().sum()


@with_out
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: every element of input times the whole of other."""
    a, b = require_tensor("input", input, "kron"), require_tensor("other", other, "kron")
    if a.ndim == b.ndim == 2:
        (m, n), (p, q) = a.shape, b.shape
        return ops.mul(a.reshape(m, 1, n, 1), b.reshape(1, p, 1, q)).reshape(m * p, n * q)
    ndim = max(a.ndim, b.ndim)
    left = (1,) * (ndim - a.ndim) + tuple(a.shape)
    right = (1,) * (ndim - b.ndim) + tuple(b.shape)
    outer = [size for n in left for size in (n, 1)], [size for n in right for size in (1, n)]
    product = ops.mul(a.reshape(outer[0]), b.reshape(outer[1]))
    return product.reshape([n * m for n, m in zip(left, right, strict=True)])


def _scaled_sum(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """Beta * input + alpha * product; with beta = 0 the input is not looked at, so its NaNs do not spread."""
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return ops.add(scaled, _core.zeros(input.shape, dtype=input.dtype))
    return ops.add(scaled, input if beta == 1 else input * beta)


def _expect_scales(who: str, tensors: Sequence[Tensor], **scales: Any) -> None:
    """Raises RuntimeError for a scale of a kind that a result of these tensors cannot have."""
    if any(tensor.is_floating_point() for tensor in tensors):
        kinds: tuple[str, ...] = ("a bool",)
    elif any(tensor.dtype != _core.bool for tensor in tensors):
        kinds = ("a bool", "floating")
    else:
        kinds = ("floating",)
    for name, scale in scales.items():
        kind = _core.as_tensor(scale).dtype
        given = "a bool" if kind == _core.bool else "floating" if kind.is_floating_point else "an int"
        if given in kinds:
            raise RuntimeError(
                f"{who}: {name} is {given}, which tensors of "
                f"{', '.join(str(tensor.dtype) for tensor in tensors)} do not take; write an int"
            )


@with_out
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Give beta * input + alpha * outer(vec1, vec2); of bool: whether either holds."""
    vec1, vec2 = _vector("vec1", vec1, "addr"), _vector("vec2", vec2, "addr")
    if type(alpha) is not int or type(beta) is not int:
        _expect_scales("addr", (require_tensor("input", input, "addr"), vec1, vec2), alpha=alpha, beta=beta)
    product = ops.mul(vec1.unsqueeze(1), vec2)
    result = _scaled_sum(input, product, beta, alpha)
    is_bool = product.dtype == _core.bool and input.dtype == _core.bool
    return result.to(_core.bool) if is_bool else result


@with_out
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Give beta * input + alpha * the sum of the matrix products of two batches."""
    for name, batch in (("batch1", batch1), ("batch2", batch2)):
        if require_tensor(name, batch, "addbmm").ndim != 3:
            raise RuntimeError(f"addbmm: {name} must have 3 dimensions, got shape {tuple(batch.shape)}")
    count, rows, inner = batch1.shape
    if batch2.shape[:2] != (count, inner):
        raise RuntimeError(
            f"addbmm: {tuple(batch1.shape)} and {tuple(batch2.shape)} are no batches of products"
        )
    left = batch1.transpose(0, 1).reshape(rows, count * inner)
    return ops.addmm(input, left, batch2.reshape(count * inner, batch2.shape[2]), beta=beta, alpha=alpha)


@with_out
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Shrink the slices along a dimension whose p-norm exceeds maxnorm to that norm."""
    require_tensor("input", input, "renorm")
    if p <= 0:
        raise RuntimeError(f"renorm: p must be positive, got {p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: maxnorm must not be negative, got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: needs at least 2 dimensions, got shape {tuple(input.shape)}")
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"renorm: dim {dim} is out of range for {input.ndim} dimensions")
    others = [d for d in range(input.ndim) if d != dim % input.ndim]
    norms = ops.norm(input, p, others, True)
    # A little below, so that rounding does not leave the norm above the bound.
    return input * ops.where(ops.gt(norms, maxnorm), maxnorm / (norms + 1e-7), 1.0)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Give the p-norm of input - other."""
    require_tensors("dist", input=input, other=other)
    return ops.norm(input - other, p)


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum down to a shape that this one is a broadcast of."""
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    extra = self.ndim - len(shape)
    fits = extra >= 0 and all(m in (1, n) for n, m in zip(self.shape[extra:], shape, strict=True))
    if not fits:
        raise RuntimeError(f"sum_to_size: shape {tuple(self.shape)} is no broadcast of {tuple(shape)}")
    dims = [d for d in range(self.ndim) if d < extra or shape[d - extra] != self.shape[d]]
    return self.sum(dims, keepdim=True).reshape(shape) if dims or not shape else self


# Statistics -----------------------------------------------------------------------------------------------


@with_out
def nansum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Sum over dimensions, NaN counting as 0."""
    if not require_tensor("input", input, "nansum").is_floating_point():
        return ops.sum(input, dim, keepdim, dtype=dtype)
    if dtype is None:
        return hidden.sum_of_numbers(input, dim, keepdim)
    return ops.sum(ops.where(ops.isnan(input), 0, input), dim, keepdim, dtype=dtype)


@with_out
def nanmean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Mean over dimensions of the elements that are not NaN."""
    if not require_tensor("input", input, "nanmean").is_floating_point():
        raise RuntimeError(f"nanmean: needs a floating dtype, got {input.dtype}")
    return nansum(input, dim, keepdim, dtype=dtype) / ops.sum(ops.logical_not(ops.isnan(input)), dim, keepdim)


class AminmaxResult(NamedTuple):
    """What aminmax returns."""

    min: Tensor
    max: Tensor


def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Sequence[Tensor] | None = None
) -> AminmaxResult:
    """Smallest and largest element, of all or along a dimension; NaN wins.

    ``out`` is a pair of tensors of the input's dtype to write them into.
    """
    for target in out or ():
        if target.dtype != input.dtype:
            raise RuntimeError(f"aminmax: out must have the input's dtype {input.dtype}, got {target.dtype}")
    result: AminmaxResult = into(
        out, AminmaxResult(ops.amin(input, dim, keepdim), ops.amax(input, dim, keepdim))
    )
    return result


def _observation_weights(name: str, given: Tensor, count: int, is_floating: bool) -> Tensor:
    """Counts or weights of observations, checked."""
    if require_tensor(name, given, "cov").ndim > 1 or given.numel() != count:
        raise RuntimeError(f"cov: {name} must be a vector of {count} weights, got shape {tuple(given.shape)}")
    if given.is_floating_point() != is_floating or given.dtype == _core.bool:
        raise RuntimeError(
            f"cov: {name} must have {'a floating' if is_floating else 'an integer'} dtype, got {given.dtype}"
        )
    if bool(ops.any(ops.lt(given, 0))):
        raise RuntimeError(f"cov: {name} must not be negative")
    return given


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariance matrix of variables in rows, observations in columns, which may have counts and weights.

    Args:
        input: (variables, observations), or observations of one variable.
        correction: subtracted from the number of observations; 1 is Bessel's.
        fweights: how often each observation counts, integers.
        aweights: how much each observation weighs, floating numbers.
    """
    if require_tensor("input", input, "cov").ndim > 2:
        raise RuntimeError(f"cov: expects at most 2 dimensions, got shape {tuple(input.shape)}")
    if input.dtype == _core.bool:
        raise RuntimeError("cov: bool is not supported; convert the input with .float()")
    rows = input.reshape(1, -1) if input.ndim < 2 else input
    count = rows.shape[1]
    weights: Tensor | None = None
    if fweights is not None:
        weights = _observation_weights("fweights", fweights, count, False)
    if aweights is not None:
        checked = _observation_weights("aweights", aweights, count, True)
        weights = checked if weights is None else weights * checked
    if weights is None:
        rows = _floating(rows)
        centred = rows - rows.mean(1, keepdim=True)
        freedom: Tensor | float = count - correction
        product = ops.mm(centred, centred.t())
    else:
        total = weights.sum()
        if count and float(total) == 0:
            raise RuntimeError("cov: the weights sum to zero")
        centred = rows - ((rows * weights).sum(1, keepdim=True) / total)
        # Without weights of importance every count is one observation.
        lost = correction if aweights is None else correction * (weights * aweights).sum() / total
        freedom = total - lost
        scaled = centred * weights
        product = ops.mm(scaled, centred.to(scaled.dtype).t())
    if float(freedom) <= 0:
        warn("cov: correction takes away all degrees of freedom")
    freedom = ops.clamp(freedom, min=0) if isinstance(freedom, Tensor) else max(0, freedom)
    return (product / freedom).squeeze()


def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of variables in rows."""
    covariance = cov(input)
    if covariance.ndim == 0:
        return covariance / covariance
    scale = covariance.diagonal().sqrt()
    return (covariance / scale.unsqueeze(1) / scale.unsqueeze(0)).clamp(-1, 1)


__all__ = [
    "addbmm",
    "addr",
    "aminmax",
    "corrcoef",
    "cov",
    "deg2rad",
    "dist",
    "float_power",
    "frexp",
    "heaviside",
    "inner",
    "isneginf",
    "isposinf",
    "isreal",
    "kron",
    "ldexp",
    "logaddexp2",
    "mvlgamma",
    "nanmean",
    "nansum",
    "polygamma",
    "rad2deg",
    "renorm",
    "sinc",
    "trace",
    "vdot",
]
METHODS = [*__all__, "float_power_", "sum_to_size"]
# Methods that also exist with an underscore: the result is written into the tensor.
IN_PLACE = [
    "addbmm",
    "addr",
    "deg2rad",
    "heaviside",
    "ldexp",
    "mvlgamma",
    "polygamma",
    "rad2deg",
    "renorm",
    "sinc",
]
