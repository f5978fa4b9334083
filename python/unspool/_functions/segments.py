"""Reductions over runs of neighbouring elements whose lengths differ."""

from __future__ import annotations

import math

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, ops

__all__ = ["segment_reduce"]

# What a segment without elements gives, and how scatter_reduce calls the reduction.
_STARTS = {"sum": 0.0, "mean": 0.0, "max": -math.inf, "min": math.inf, "prod": 1.0}
_SCATTERS = {"sum": "sum", "mean": "sum", "max": "amax", "min": "amin", "prod": "prod"}


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """Reduce each of the segments that follow one another along a dimension.

    Args:
        data: floating, at least 1-d, with elements.
        reduce: "sum", "mean", "max", "min" or "prod"; NaN wins in "max" and "min".
        lengths: numbers of elements of n segments, int64 or int32, shape (n,) for axis 0, otherwise
            ``data.shape[:axis] + (n,)``: each row is divided in its own way.
        indices: not supported, as in PyTorch.
        offsets: in place of ``lengths``: where each segment begins and the last one ends, n + 1 numbers.
        axis: the dimension that is reduced; the last one of ``lengths`` or ``offsets``.
        unsafe: lengths may sum to less than the size; what lies behind the last segment is left out.
        initial: what each reduction starts from. Without it, a segment of length 0 gives 0, 1 for "prod",
            -inf for "max", inf for "min" and NaN for "mean".

    Returns:
        A tensor of shape ``data.shape[:axis] + (n,) + data.shape[axis + 1:]``.

    Raises:
        RuntimeError: an argument that does not fit the others.
        NotImplementedError: ``data`` is not floating.
    """
    require_tensor("data", data, "segment_reduce")
    if reduce not in _STARTS:
        raise RuntimeError(f"segment_reduce: reduce must be one of {', '.join(_STARTS)}, got {reduce!r}")
    if indices is not None:
        raise RuntimeError(
            "segment_reduce: indices based reduction is not supported; give lengths or offsets"
        )
    if not data.is_floating_point():
        raise NotImplementedError(f"segment_reduce: needs a floating dtype, got {data.dtype}")
    if data.numel() == 0:
        raise RuntimeError("segment_reduce: data must have elements")
    axis = axis + data.ndim if axis < 0 else axis
    ends, counts = _segments(data, lengths, offsets, axis, unsafe)
    size = data.shape[axis]
    places = _core.arange(size, dtype=_core.int64).expand([*data.shape[:axis], size]).contiguous()
    segments = counts.shape[-1]
    # One more segment takes what lies behind the last one.
    index = ops.searchsorted(ends, places, right=True)
    trailing = [1] * (data.ndim - axis - 1)
    index = index.reshape([*index.shape, *trailing]).expand(data.shape)
    shape = [*data.shape[:axis], segments + 1, *data.shape[axis + 1 :]]
    start = _core.full(shape, _STARTS[reduce] if initial is None else initial, dtype=data.dtype)
    total = ops.scatter_reduce(start, axis, index, data, _SCATTERS[reduce])
    total = ops.narrow(total, axis, 0, segments)
    if reduce != "mean":
        return total
    number = counts.to(data.dtype).reshape([*counts.shape, *trailing])
    # A mean of nothing is what it started from, or no number.
    return total / (number if initial is None else ops.clamp(number, min=1))


def _segments(
    data: Tensor, lengths: Tensor | None, offsets: Tensor | None, axis: int, unsafe: bool
) -> tuple[Tensor, Tensor]:
    """Where the segments end and how long they are, int64, ``data.shape[:axis] + (n,)``."""
    name, given = ("lengths", lengths) if offsets is None else ("offsets", offsets)
    if given is None:
        raise RuntimeError("segment_reduce: either lengths or offsets must be given")
    require_tensor(name, given, "segment_reduce")
    if given.dtype not in (_core.int64, _core.int32):
        raise RuntimeError(f"segment_reduce: {name} must be int64 or int32, got {given.dtype}")
    if axis != given.ndim - 1 or tuple(given.shape[:-1]) != tuple(data.shape[:axis]):
        raise RuntimeError(
            f"segment_reduce: {name} {tuple(given.shape)} must have shape {(*data.shape[:axis], 'n')} to "
            f"divide dimension {axis} of data {tuple(data.shape)}"
        )
    given = given.detach().long()
    if offsets is None:
        counts, ends = given, ops.cumsum(given, -1)
    else:
        counts, ends = ops.diff(given), given[..., 1:].contiguous()
        if bool((given[..., :1] != 0).any()):
            raise RuntimeError("segment_reduce: offsets must begin with 0")
    if bool((counts < 0).any()):
        raise RuntimeError(f"segment_reduce: {name} must not make a segment of negative length")
    last = ends[..., -1:]
    if bool((last > data.shape[axis]).any()) or (not unsafe and bool((last != data.shape[axis]).any())):
        raise RuntimeError(
            f"segment_reduce: all rows of lengths must sum to {data.shape[axis]}, the size of data along "
            f"dimension {axis}; unsafe=True permits less"
        )
    return ends, counts
