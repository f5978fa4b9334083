"""Rarer ways to make tensors, and to ask for the only element's truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor, require_tensors
from unspool._core import Generator, Tensor, ops
from unspool._functions.undifferentiable import without_derivative


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
        try:
            start, end = (int(x) for x in _core.linspace(start, end, 2, dtype=kind))
        except RuntimeError:
            raise RuntimeError(
                f"logspace: start {float(start)} and end {float(end)} must fit into {kind}"
            ) from None
    exponents = _core.linspace(start, end, steps, dtype=_core.float64, **options)
    result = ops.pow(float(base), exponents).to(kind)
    if out is not None:
        return _core.full(result.shape, 0, out=out).copy_(result)
    return result.requires_grad_(requires_grad)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw the number of successes in ``count`` trials that succeed with probability ``prob`` each.

    The draws come from NumPy's generator, seeded from this one. Going back through them raises.

    Args:
        count: whole numbers in a floating dtype; broadcasts with ``prob``.
        prob: in [0, 1], in the same dtype.
        generator: the default one if None.

    Raises:
        ValueError: ``count`` is not floating.
        RuntimeError: the dtypes differ, a count is negative or a probability not in [0, 1].
    """
    require_tensors("binomial", count=count, prob=prob)
    if not count.is_floating_point():
        raise ValueError(f"binomial: count must be floating, got {count.dtype}; convert it with .float()")
    if prob.dtype != count.dtype:
        raise RuntimeError(f"binomial: count is {count.dtype} and prob {prob.dtype}; convert one with .to()")
    if not bool(ops.all(ops.ge(count, 0) & ops.isfinite(count))):
        raise RuntimeError("binomial: counts must not be negative")
    if not bool(ops.all(ops.ge(prob, 0) & ops.le(prob, 1))):
        raise RuntimeError("binomial: probabilities must lie in [0, 1]")
    seed = _core.randint(0, 2**31 - 1, (4,), generator=generator).tolist()
    trials = count.detach().to(_core.int64).numpy()
    drawn = np.random.default_rng(seed).binomial(trials, prob.detach().double().numpy())
    result = _core.from_numpy(np.asarray(drawn, dtype=np.float64)).to(count.dtype)
    return without_derivative("binomial", result, count, prob)


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


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a 0-d tensor of a number, in the default dtype unless one is named."""
    if isinstance(s, Tensor) and s.ndim > 0:
        raise TypeError(f"scalar_tensor(): argument 's' must be a number, not a tensor of {tuple(s.shape)}")
    return _core.tensor(
        s, dtype=dtype or _core.get_default_dtype(), device=device, requires_grad=requires_grad
    )


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is nonzero."""
    if require_tensor("input", input, "is_nonzero").numel() != 1:
        raise RuntimeError(f"is_nonzero: a tensor of {input.numel()} elements has no single truth value")
    return bool(input)


__all__ = ["binomial", "is_nonzero", "logspace", "scalar_tensor"]
