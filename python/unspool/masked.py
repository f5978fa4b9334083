"""Reductions and normalizations that leave elements out: ``mask`` is True for those that count.

A mask broadcasts to the input's shape; without one every element counts. Where none does, the result is what
an empty reduction gives: 0 for sums, 1 for products, -inf or the dtype's least number for the largest
element, NaN for means, medians and variances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from unspool import _core
from unspool._core import Tensor, functional, ops
from unspool._dtypes import iinfo
from unspool.linalg import vector_norm

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]

_Dims = int | Sequence[int] | None


def _prepared(name: str, input: Any, mask: Any, value: float, dtype: Any = None) -> Tensor:
    """The input in the dtype asked for, with ``value`` where it does not count."""
    if not isinstance(input, Tensor):
        raise TypeError(f"masked.{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    x = input if dtype is None else input.to(dtype)
    if mask is None:
        return x
    return ops.where(_fitting(name, x, mask), x, _core.full((), value, dtype=x.dtype))


def _fitting(name: str, x: Tensor, mask: Any) -> Tensor:
    """The mask in the input's shape."""
    if not isinstance(mask, Tensor) or mask.dtype != _core.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"masked.{name}: mask must be a Tensor of bool, got {kind}")
    try:
        return ops.broadcast_to(mask, tuple(x.shape))
    except RuntimeError:
        raise ValueError(
            f"masked.{name}: mask {tuple(mask.shape)} does not broadcast to input {tuple(x.shape)}"
        ) from None


def _dims(dim: _Dims, ndim: int) -> list[int]:
    """The dimensions to reduce: all for None and ()."""
    named = [dim] if isinstance(dim, int) else [] if dim is None else list(dim)
    return named or list(range(ndim))


def _lowest(dtype: Any, sign: int) -> float:
    """What is never the largest (sign 1) or the smallest (sign -1) of a dtype."""
    if dtype.is_floating_point:
        return -sign * math.inf
    if dtype == _core.bool:
        return sign < 0
    limits = iinfo(dtype)
    return limits.min if sign > 0 else limits.max


def _floating(input: Any, dtype: Any) -> Any:
    """The dtype to compute in: the one asked for, or the default one for integers."""
    if dtype is not None or not isinstance(input, Tensor) or input.is_floating_point():
        return dtype
    return _core.get_default_dtype()


# Reductions --------------------


def sum(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Sum the elements that count over ``dim``, all dimensions by default; integers and bool give int64."""
    x = _prepared("sum", input, mask, 0, dtype)
    return ops.sum(x, _dims(dim, x.ndim), keepdim, dtype=dtype)


def prod(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Multiply the elements that count over ``dim``, all dimensions by default; integers give int64."""
    x = _prepared("prod", input, mask, 1, dtype)
    for d in sorted({d % x.ndim for d in _dims(dim, x.ndim)}, reverse=True) if x.ndim else [0]:
        x = ops.prod(x, d, keepdim, dtype=dtype)
    return x


def _extremum(name: str, sign: int, input: Any, dim: _Dims, keepdim: bool, dtype: Any, mask: Any) -> Tensor:
    kind = dtype or getattr(input, "dtype", None)
    x = _prepared(name, input, mask, _lowest(kind, sign) if isinstance(input, Tensor) else 0, dtype)
    return (ops.amax if sign > 0 else ops.amin)(x, _dims(dim, x.ndim), keepdim)


def amax(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Give the largest element that counts over ``dim``, all dimensions by default."""
    return _extremum("amax", 1, input, dim, keepdim, dtype, mask)


def amin(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Give the smallest element that counts over ``dim``, all dimensions by default."""
    return _extremum("amin", -1, input, dim, keepdim, dtype, mask)


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Give the place, int64, of the largest element that counts: of all in one line, or along ``dim``."""
    kind = dtype or input.dtype
    return ops.argmax(_prepared("argmax", input, mask, _lowest(kind, 1), dtype), dim, keepdim)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Give the place, int64, of the smallest element that counts: of all in one line, or along ``dim``."""
    kind = dtype or input.dtype
    return ops.argmin(_prepared("argmin", input, mask, _lowest(kind, -1), dtype), dim, keepdim)


def _count(x: Tensor, dims: list[int], keepdim: bool, mask: Any) -> Tensor:
    """How many elements count, in the dtype of x."""
    if mask is None:
        return ops.sum(_core.ones_like(x.detach()), dims, keepdim)
    return ops.sum(_fitting("mean", x, mask).to(x.dtype), dims, keepdim)


def mean(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Average the elements that count over ``dim``, all dimensions by default; NaN where there are none."""
    x = _prepared("mean", input, mask, 0, _floating(input, dtype))
    dims = _dims(dim, x.ndim)
    return ops.sum(x, dims, keepdim) / _count(x, dims, keepdim, mask)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Give the median (the lower one of two) of the elements that count along ``dim``; NaN for none."""
    x = _prepared("median", input, mask, math.nan, _floating(input, dtype))
    result: Tensor = (ops.median if mask is None else ops.nanmedian)(x, dim, keepdim).values
    return result


def norm(
    input: Tensor,
    ord: float = 2.0,
    dim: _Dims = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Give the vector norm of order ``ord`` of the elements that count; see ``linalg.vector_norm``."""
    x = _prepared("norm", input, mask, 0 if ord >= 0 else math.inf, _floating(input, dtype))
    return vector_norm(x, ord, _dims(dim, x.ndim), keepdim)


def var(
    input: Tensor,
    dim: _Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Give the variance of the elements that count.

    Args:
        input: any shape; integers are taken as numbers of the default dtype.
        dim: the dimensions to reduce, all by default.
        unbiased: True is ``correction=1``, False ``correction=0``.
        correction: subtracted from the number of elements, 1 by default.
        keepdim: keep the dimensions with size 1.
        dtype: to compute in.
        mask: which elements count.

    Raises:
        ValueError: both ``unbiased`` and ``correction`` are given.
    """
    if unbiased is not None and correction is not None:
        raise ValueError("masked.var: give unbiased or correction, not both")
    lost = float(unbiased is not False) if correction is None else correction
    kind = _floating(input, dtype)
    x = _prepared("var", input, mask, 0, kind)
    dims = _dims(dim, x.ndim)
    count = _count(x, dims, True, mask)
    centred = _prepared("var", x - ops.sum(x, dims, True) / count, mask, 0)
    total = ops.sum(ops.square(centred), dims, keepdim)
    return total / ops.clamp(_count(x, dims, keepdim, mask) - lost, min=0)


def std(
    input: Tensor,
    dim: _Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Give the standard deviation of the elements that count: the square root of ``var``."""
    return ops.sqrt(var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask))


def logsumexp(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Give the logarithm of the sum of the exponentials of the elements that count, -inf for none."""
    x = _prepared("logsumexp", input, mask, -math.inf, _floating(input, dtype))
    return ops.logsumexp(x, _dims(dim, x.ndim), keepdim)


# Along a dimension --------------------


def _kept(x: Tensor) -> Any:
    """Its dtype; bool counts in int64."""
    return _core.int64 if x.dtype == _core.bool else x.dtype


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Give the running sum along ``dim`` of the elements that count."""
    x = _prepared("cumsum", input, mask, 0, dtype)
    return ops.cumsum(x, dim, dtype=_kept(x))


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Give the running product along ``dim`` of the elements that count."""
    x = _prepared("cumprod", input, mask, 1, dtype)
    return ops.cumprod(x, dim, dtype=_kept(x))


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Softmax along ``dim`` over the elements that count; 0 at the others, NaN where none counts."""
    return functional.softmax(_prepared("softmax", input, mask, -math.inf, dtype), dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Logarithm of ``softmax``."""
    return functional.log_softmax(_prepared("log_softmax", input, mask, -math.inf, dtype), dim)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Softmax of the negative input."""
    return functional.softmax(-_prepared("softmin", input, mask, math.inf, dtype), dim)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Divide the elements that count by their norm along ``dim``, or by ``eps`` where that is larger.

    The others are 0.
    """
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _prepared("normalize", input, mask, 0, dtype) / ops.clamp(size, min=eps)


# Pairs --------------------


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """Give log(exp(input) + exp(other)), where elements that do not count add nothing."""
    return ops.logaddexp(
        _prepared("logaddexp", input, input_mask, -math.inf, dtype),
        _prepared("logaddexp", other, other_mask, -math.inf, dtype),
    )
