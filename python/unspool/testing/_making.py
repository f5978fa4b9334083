"""Tensors of random numbers for tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from unspool import _core
from unspool._core import Tensor
from unspool._dtypes import finfo, iinfo

__all__ = ["make_tensor"]


def make_tensor(
    *shape: int | Sequence[int],
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Draw numbers from U[low, high), or integers from it.

    Args:
        *shape: sizes, or one sequence of them.
        dtype: of the tensor.
        device: where it is made: the CPU.
        low: the least number; by default 0 for bool and unsigned integers, otherwise -9. What the
            dtype cannot hold is brought to its nearest finite number.
        high: what all numbers are below; by default 2 for bool, 9 for floating dtypes and 10 for integers.
        requires_grad: for floating dtypes only.
        noncontiguous: the elements do not lie side by side; without effect below two elements.
        exclude_zero: zeros become 1, or the smallest normal number of a floating dtype.
        memory_format: accepted in place of ``noncontiguous``; the tensor is row-major.

    Raises:
        ValueError: an empty or impossible range, a gradient for integers, or ``memory_format`` together with
            ``noncontiguous``.
    """
    sizes: list[Any] = list(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else list(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError("make_tensor: noncontiguous and memory_format exclude one another")
    floating = dtype.is_floating_point
    if requires_grad and not floating:
        raise ValueError(f"make_tensor: requires_grad=True needs a floating dtype, got {dtype}")
    first, end = _range(dtype, floating, low, high)
    apart = noncontiguous and math.prod(sizes) > 1
    if apart:
        sizes[-1] *= 2
    if floating:
        # By halves, because the range itself may be more than the dtype holds.
        made = _core.empty(sizes, dtype=dtype, device=device).uniform_(first / 2, end / 2).mul_(2)
    else:
        made = _core.randint(int(first), int(end), sizes, dtype=dtype, device=device)
    if apart:
        made = made[..., 1::2]
    if exclude_zero:
        made[made == 0] = finfo(dtype).tiny if floating else 1
    return made.requires_grad_(requires_grad)


def _range(dtype: Any, floating: bool, low: float | None, high: float | None) -> tuple[float, float]:
    """The least number, and what all are below: whole for integers."""
    is_bool = dtype == _core.bool
    usual = (0, 2) if is_bool else (-9, 9) if floating else (0 if dtype == _core.uint8 else -9, 10)
    limits: Any = None if is_bool else finfo(dtype) if floating else iinfo(dtype)
    least, most = (0, 1) if is_bool else (limits.min, limits.max)
    first, end = usual[0] if low is None else low, usual[1] if high is None else high
    if any(isinstance(each, float) and math.isnan(each) for each in (first, end)):
        raise ValueError(f"make_tensor: low and high must be numbers, got low={low}, high={high}")
    if first == end and floating:
        warnings.warn("make_tensor: low == high is deprecated; use full()", FutureWarning, stacklevel=3)
    elif first >= end:
        raise ValueError(f"make_tensor: low must be below high, got {first} >= {end}")
    if end < least or first > most:
        raise ValueError(f"make_tensor: no number from [{first}, {end}) is one of {dtype}")
    first = min(max(first, least), most)
    # Of int64, the largest cannot be drawn.
    end = min(max(end, least), most if floating or dtype == _core.int64 else most + 1)
    if floating:
        return first, end
    return math.ceil(first), math.ceil(end)
