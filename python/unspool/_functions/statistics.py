"""Distinct elements, counts and histograms: results whose sizes depend on the data. Going back raises."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, hidden, ops
from unspool._functions.out import with_out
from unspool._functions.undifferentiable import without_derivative

# Distinct elements ----------------------------------------------------------------------------------------


def _result(values: Tensor, inverse: Tensor | None, counts: Tensor | None) -> Any:
    chosen = [values, *(each for each in (inverse, counts) if each is not None)]
    return values if len(chosen) == 1 else tuple(chosen)


def _rows(input: Tensor, dim: int | None, who: str) -> Tensor:
    """The things to compare as rows of a matrix: single elements, or slices along a dimension."""
    if dim is None:
        return input.reshape(-1, 1)
    if not -max(input.ndim, 1) <= dim < max(input.ndim, 1):
        raise IndexError(f"{who}: dim {dim} is out of range for {input.ndim} dimensions")
    moved = input.reshape(1) if input.ndim == 0 else input.movedim(dim, 0)
    if moved.shape[0] and moved.numel() == 0:
        raise RuntimeError(f"{who}: shape {tuple(input.shape)} has dimensions of size 0 besides dim {dim}")
    return moved.reshape(moved.shape[0], -1) if moved.numel() else moved.reshape(0, 1)


def _starts(run_of: Tensor, count: int) -> Tensor:
    """Where each of `count` runs begins: looked for when they are long, or else met on the way."""
    if count * 16 < run_of.numel() or count == 0:
        return ops.searchsorted(run_of, _core.arange(count, dtype=_core.int64))
    changes = hidden.nonzero_places(ops.ne(run_of[1:], run_of[:-1]), count - 1).reshape(-1)
    return ops.cat([_core.zeros(1, dtype=_core.int64), changes + 1])


def _distinct(
    who: str,
    input: Tensor,
    rows: Tensor,
    order: Tensor | None,
    dim: int | None,
    return_inverse: bool,
    return_counts: bool,
) -> Any:
    """Rows in `order` (their own when None), each run of equal ones once."""
    n = rows.shape[0]
    run_of = hidden.runs(rows if order is None else ops.index_select(rows, 0, order))
    count = int(run_of[-1]) + 1 if n else 0
    starts = _starts(run_of, count)
    places = starts if order is None else ops.index_select(order, 0, starts)
    source = input.detach()
    if dim is None:
        values = ops.index_select(source.reshape(-1), 0, places)
    else:
        values = ops.index_select(source, dim, places) if input.ndim else source.clone()
    inverse = counts = None
    if return_inverse:
        inverse = run_of if order is None else _core.empty(n, dtype=_core.int64).scatter_(0, order, run_of)
        if dim is None:
            inverse = inverse.reshape(input.shape)
    if return_counts:
        counts = ops.diff(ops.cat([starts, _core.tensor([n], dtype=_core.int64)]))
    return _result(without_derivative(who, values.to(input.dtype), input), inverse, counts)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Give the distinct elements, or the distinct slices along a dimension, in order (``sorted`` or not).

    With ``return_inverse`` also where each input element is found among them, with ``return_counts`` also how
    often each occurs, both int64. Going back through the elements raises.
    """
    require_tensor("input", input, "unique")
    del sorted
    rows = _rows(input.detach(), dim, "unique")
    order = ops.argsort(rows.reshape(-1)) if rows.shape[1] == 1 else hidden.sort_rows(rows)
    return _distinct("unique", input, rows, order, dim, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Give the first of each run of equal elements, or of equal slices along a dimension; see unique."""
    require_tensor("input", input, "unique_consecutive")
    rows = _rows(input.detach(), dim, "unique_consecutive")
    return _distinct("unique_consecutive", input, rows, None, dim, return_inverse, return_counts)


# Counts ---------------------------------------------------------------------------------------------------


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Count how often each non-negative integer occurs in a vector, or sum the weights found with each."""
    require_tensor("input", input, "bincount")
    if input.ndim != 1 or input.is_floating_point() or input.dtype == _core.bool:
        raise RuntimeError(
            f"bincount: expects a 1-d tensor of integers, got {input.dtype} {tuple(input.shape)}"
        )
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength must not be negative, got {minlength}")
    if weights is not None and require_tensor("weights", weights, "bincount").shape != input.shape:
        raise RuntimeError(
            f"bincount: weights {tuple(weights.shape)} and input {tuple(input.shape)} differ in shape"
        )
    places = input.long()
    size = minlength
    if places.numel():
        size = max(size, int(places.max()) + 1)
    if weights is None:
        each = _core.ones(1, dtype=_core.int64).expand(places.shape)
    else:
        each = weights.detach() if weights.dtype == _core.float32 else weights.detach().double()
    try:
        counts = _added_up(places, each, size)
    except RuntimeError:
        smallest = int(places.min()) if places.numel() else 0
        if smallest >= 0:
            raise
        raise RuntimeError(f"bincount: input has negative elements, the smallest is {smallest}") from None
    return without_derivative("bincount", counts, weights)


def _added_up(places: Tensor, each: Tensor, size: int) -> Tensor:
    """A vector of sums of what goes to each place."""
    return ops.scatter_add(_core.zeros(size, dtype=each.dtype), 0, places, each)


def _bounds(input: Tensor, low: float, high: float, who: str, margin: float = 1) -> tuple[float, float]:
    """The ends of a histogram: those given, or the data's extrema where both are equal, with a margin."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{who}: the range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{who}: max must be larger than min, got {low} and {high}")
    if low == high and input.numel():
        low, high = float(input.min()), float(input.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"{who}: the range [{low}, {high}] of the input is not finite")
    return (low - margin, high + margin) if low == high else (low, high)


def _counted(x: Tensor, edges: Tensor, weight: Tensor | None) -> Tensor:
    """Weights (or ones) summed between edges; the last bin holds its upper end too."""
    bins = edges.numel() - 1
    flat = x.detach().reshape(-1)
    place = ops.searchsorted(edges, flat, right=True) - 1
    place = ops.where(ops.eq(flat, edges[-1]), bins - 1, place)
    inside = ops.logical_and(ops.ge(flat, edges[0]), ops.le(flat, edges[-1]))
    each = inside.to(x.dtype) if weight is None else ops.where(inside, weight.reshape(-1), 0)
    return _added_up(ops.clamp(place, 0, bins - 1), each, bins)


@with_out
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Count the elements in equal bins from min to max (the data's own when equal); others are left out."""
    require_tensor("input", input, "histc")
    if not input.is_floating_point():
        raise NotImplementedError(
            f"histc: needs a floating dtype, got {input.dtype}; convert the input with .float()"
        )
    if bins <= 0:
        raise RuntimeError(f"histc: bins must be positive, got {bins}")
    low, high = _bounds(input, float(min), float(max), "histc")
    flat = input.detach().reshape(-1)
    place = (flat - low) * bins / (high - low)
    inside = ops.logical_and(ops.ge(flat, low), ops.le(flat, high))
    # Numbers of bins above 2^24 are not all floats.
    place = ops.where(inside, place, 0)
    place = (
        ops.clamp_max(place, bins - 1).long() if bins <= 1 << 24 else ops.clamp_max(place.long(), bins - 1)
    )
    return _added_up(place, inside.to(input.dtype), bins)


class HistogramResult(NamedTuple):
    """What histogram returns."""

    hist: Tensor
    bin_edges: Tensor


@with_out
def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> HistogramResult:
    """Count elements (or sum their weights) between edges: given ones, or equal bins over a range."""
    require_tensor("input", input, "histogram")
    if weight is not None:
        require_tensor("weight", weight, "histogram")
    if not input.is_floating_point():
        raise NotImplementedError(f"histogram: needs a floating dtype, got {input.dtype}")
    if weight is not None and weight.shape != input.shape:
        raise RuntimeError(
            f"histogram: weight {tuple(weight.shape)} and input {tuple(input.shape)} differ in shape"
        )
    if isinstance(bins, Tensor):
        if bins.ndim != 1 or bins.dtype != input.dtype:
            raise RuntimeError("histogram: bins must be a 1-d tensor of the input's dtype")
        edges = bins
    else:
        if bins <= 0:
            raise RuntimeError(f"histogram: bins must be positive, got {bins}")
        ends = (0.0, 0.0) if range is None else (float(range[0]), float(range[1]))
        low, high = _bounds(input, *ends, "histogram", margin=0.5)
        if range is None and not input.numel():
            low, high = 0.0, 1.0
        edges = _core.linspace(low, high, bins + 1, dtype=input.dtype)
    hist = _counted(input, edges, weight)
    if density:
        hist = hist / hist.sum() / ops.diff(edges)
    return HistogramResult(without_derivative("histogram", hist, input, edges), edges)


class HistogramddResult(NamedTuple):
    """What histogramdd returns."""

    hist: Tensor
    bin_edges: tuple[Tensor, ...]


def histogramdd(
    input: Tensor,
    bins: int | Sequence[int] | Sequence[Tensor],
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> HistogramddResult:
    """Count points (or sum their weights) in the cells of a grid.

    Args:
        input: points, shape (..., N), floating.
        bins: the number of bins of every dimension, one number for each, or N tensors of ascending edges.
        range: lowest and highest edge of each dimension, 2 N numbers; by default those of the points. Points
            outside are left out.
        weight: one number per point, shape (...).
        density: divide by the total and by the cells' volumes.

    Returns:
        the counts, one dimension for each of the points', and the edges of each.

    Raises:
        RuntimeError: numbers or shapes that do not fit the points.
        NotImplementedError: ``input`` is not floating.
    """
    require_tensor("input", input, "histogramdd")
    if weight is not None:
        require_tensor("weight", weight, "histogramdd")
    if not input.is_floating_point():
        raise NotImplementedError(f"histogramdd: needs a floating dtype, got {input.dtype}")
    if input.ndim < 2:
        raise RuntimeError(f"histogramdd: needs at least 2 dimensions, got shape {tuple(input.shape)}")
    n = input.shape[-1]
    if weight is not None and (weight.shape != input.shape[:-1] or weight.dtype != input.dtype):
        raise RuntimeError(
            f"histogramdd: weight {weight.dtype} {tuple(weight.shape)} must have the input's dtype "
            f"{input.dtype} and shape {tuple(input.shape[:-1])}"
        )
    given: list[Any] = [bins] * n if isinstance(bins, int) else list(bins)
    if len(given) != n or (range is not None and len(range) != 2 * n):
        raise RuntimeError(f"histogramdd: bins must have {n} entries and range {2 * n}, one per dimension")
    points = input.detach().reshape(-1, n)
    edges, cell = [], _core.zeros(points.shape[0], dtype=_core.int64)
    inside = _core.ones(points.shape[0], dtype=_core.bool)
    for d, each in enumerate(given):
        x = points[:, d].contiguous()
        ends = None if range is None else range[2 * d : 2 * d + 2]
        own = histogram(x[:0] if isinstance(each, Tensor) else x, each, range=ends).bin_edges
        count = own.numel() - 1
        place = ops.searchsorted(own, x, right=True) - 1
        place = ops.where(ops.eq(x, own[-1]), count - 1, place)  # the last bin holds its upper edge
        inside = inside & ops.ge(place, 0) & ops.lt(place, count)
        cell = cell * count + ops.clamp(place, 0, max(count - 1, 0))
        edges.append(own)
    shape = [own.numel() - 1 for own in edges]
    amounts = (
        _core.ones(points.shape[0], dtype=input.dtype) if weight is None else weight.detach().reshape(-1)
    )
    hist = hidden.scatter_onto(cell, ops.where(inside, amounts, 0), [math.prod(shape)], 0).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for d, own in enumerate(edges):
            hist = hist / ops.diff(own).reshape([-1 if k == d else 1 for k in builtins.range(n)])
    return HistogramddResult(without_derivative("histogramdd", hist, input, weight), tuple(edges))


__all__ = [
    "bincount",
    "histc",
    "histogram",
    "histogramdd",
    "unique",
    "unique_consecutive",
]
METHODS = ["bincount", "histc", "histogram", "unique", "unique_consecutive"]
