"""Numerical derivatives of sampled functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unspool import _core
from unspool._core import Tensor, ops

__all__ = ["gradient"]


def _spacings(spacing: Any, dims: list[int], is_dim_named: bool, sizes: list[int]) -> list[float | Tensor]:
    """One step width, or one tensor of coordinates, for each dimension."""
    if isinstance(spacing, (int, float)):
        return [float(spacing)] * len(dims)
    given: list[Any] = [spacing] if isinstance(spacing, Tensor) else list(spacing)
    if len(given) != len(dims):
        what = f"dim names {len(dims)}" if is_dim_named else f"the input has {len(dims)}"
        raise RuntimeError(f"gradient: spacing has {len(given)} entries but {what} dimensions")
    if not any(isinstance(each, Tensor) for each in given):
        return [float(each) for each in given]
    for d, each in zip(dims, given, strict=True):
        if not isinstance(each, Tensor) or tuple(each.shape) != (sizes[d],):
            shape = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
            raise RuntimeError(
                f"gradient: coordinates of dimension {d} must have shape ({sizes[d]},), got {shape}"
            )
    return given


def _along(x: Tensor, dim: int, step: float | Tensor, edge_order: int) -> Tensor:
    """The derivative along one dimension, by differences of second order inside."""
    n = x.shape[dim]

    def at(start: int, stop: int) -> Tensor:
        return ops.narrow(x, dim, start, stop - start)

    if isinstance(step, Tensor):
        steps = ops.diff(step.detach().to(x.dtype)).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    else:
        steps = _core.full([n - 1 if d == dim else 1 for d in range(x.ndim)], step, dtype=x.dtype)
    h = [ops.narrow(steps, dim, i, 1) for i in (0, n - 2)]
    parts = []
    if n > 2:
        before, after = ops.narrow(steps, dim, 0, n - 2), ops.narrow(steps, dim, 1, n - 2)
        left = -after / (before * (before + after))
        middle = (after - before) / (before * after)
        right = before / (after * (before + after))
        parts = [left * at(0, n - 2) + middle * at(1, n - 1) + right * at(2, n)]
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / h[0], (at(n - 1, n) - at(n - 2, n - 1)) / h[1]
    else:
        first = _edge(at(0, 1), at(1, 2), at(2, 3), h[0], ops.narrow(steps, dim, 1, 1))
        last = -_edge(
            at(n - 1, n), at(n - 2, n - 1), at(n - 3, n - 2), h[1], ops.narrow(steps, dim, n - 3, 1)
        )
    return ops.cat([first, *parts, last], dim)


def _edge(a: Tensor, b: Tensor, c: Tensor, h: Tensor, k: Tensor) -> Tensor:
    """Slope at a of the parabola through a, b at distance h, and c at distance k from b."""
    return -(2 * h + k) / (h * (h + k)) * a + (h + k) / (h * k) * b - h / (k * (h + k)) * c


def gradient(
    input: Tensor,
    *,
    spacing: float | Sequence[float] | Sequence[Tensor] | Tensor | None = 1,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """Estimate the derivatives of a function from its values on a grid.

    Inside by differences to both neighbours, exact for parabolas; at the edges by differences to one side.

    Args:
        input: the values; integers are taken as numbers of the default dtype.
        spacing: distance of neighbours, one number for all dimensions or one for each; or for each
            dimension a tensor of its coordinates, which need not be evenly spaced. None is 1. Carries no
            gradient.
        dim: the dimensions to differentiate along; all by default.
        edge_order: 1 or 2, the order of the differences at the edges.

    Returns:
        one tensor of the input's shape for each dimension.

    Raises:
        RuntimeError: another edge_order, a dimension with fewer than edge_order + 1 values, a dimension
            named twice, or spacing that does not fit.
        IndexError: there is no such dimension.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"gradient(): argument 'input' must be Tensor, not {type(input).__name__}")
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient: edge_order must be 1 or 2, got {edge_order}")
    named = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    for d in named:
        if not -input.ndim <= d < input.ndim:
            raise IndexError(f"gradient: dim {d} is out of range for {input.ndim} dimensions")
    dims = [d % input.ndim for d in named]
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"gradient: dim names a dimension twice: {list(named)}")
    for d in dims:
        if input.shape[d] < edge_order + 1:
            raise RuntimeError(
                f"gradient: dimension {d} of shape {tuple(input.shape)} has fewer than edge_order + 1 = "
                f"{edge_order + 1} values"
            )
    x = input if input.is_floating_point() else input.to(_core.get_default_dtype())
    steps = _spacings(1 if spacing is None else spacing, dims, dim is not None, list(input.shape))
    return tuple(_along(x, d, step, edge_order) for d, step in zip(dims, steps, strict=True))
