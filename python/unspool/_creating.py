"""Rarer ways to make tensors, and to ask for the only element's truth."""

from __future__ import annotations

import math
from typing import Any

from unspool import _core
from unspool._core import Tensor, ops


def logspace(
    start: Tensor | float,
    end: Tensor | float,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    **options: Any,
) -> Tensor:
    """Give base ^ start to base ^ end in ``steps`` numbers whose exponents are evenly spaced.

    Integer dtypes cut the first and the last exponent to integers.
    """
    requires_grad = bool(options.pop("requires_grad", False))
    kind = dtype or (_core.get_default_dtype() if out is None else out.dtype)
    if out is not None and kind != out.dtype:
        raise RuntimeError(f"logspace: dtype is {kind} but out is {out.dtype}")
    if not kind.is_floating_point:
        start, end = math.trunc(float(start)), math.trunc(float(end))
    exponents = _core.linspace(start, end, steps, dtype=_core.float64, **options)
    result = ops.pow(float(base), exponents).to(kind)
    if out is not None:
        return _core.full(result.shape, 0, out=out).copy_(result)
    return result.requires_grad_(requires_grad)


def range_(
    start: float = 0, end: float | None = None, step: float = 1, *, dtype: Any = None, **options: Any
) -> Tensor:
    """Give start, start + step, ... with ``end`` included; prefer arange."""
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"range: a step of {step} does not lead from {start} to {end}")
    count = math.floor((end - start) / step) + 1
    kind = dtype or _core.get_default_dtype()
    steps = _core.arange(count, dtype=_core.float64)
    return (steps * step + start).to(kind).requires_grad_(bool(options.get("requires_grad", False)))


def scalar_tensor(s: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a 0-d tensor of a number, in the default dtype unless one is named."""
    return _core.tensor(
        s, dtype=dtype or _core.get_default_dtype(), device=device, requires_grad=requires_grad
    )


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is nonzero."""
    if input.numel() != 1:
        raise RuntimeError(f"is_nonzero: a tensor of {input.numel()} elements has no single truth value")
    return bool(input)


__all__ = ["is_nonzero", "logspace", "scalar_tensor"]
