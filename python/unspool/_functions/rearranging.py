"""Functions that rearrange, join, split and repeat tensors: each a short composition of operations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, ops
from unspool._functions.out import with_out


def _all(tensors: tuple[Any, ...], who: str) -> list[Tensor]:
    """Give the tensors of a call f(a, b) or f([a, b])."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    for each in tensors:
        if not isinstance(each, Tensor):
            raise TypeError(f"{who}(): expected tensors, not {type(each).__name__}")
    return list(tensors)


def _dim(dim: int, ndim: int, who: str) -> int:
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(f"{who}: dim {dim} is out of range for {ndim} dimensions")
    return dim % max(ndim, 1)


# Joining --------------------------------------------------------------------------------------------------


def _raised(*tensors: Any, ndim: int, who: str) -> Any:
    """One tensor or a tuple of them, with at least `ndim` dimensions."""
    single = len(tensors) == 1 and isinstance(tensors[0], Tensor)
    raised = []
    for x in _all(tensors, who):
        if x.ndim < ndim:
            if ndim == 3:  # a vector becomes (1, n, 1)
                x = x.reshape(1, 1, 1) if x.ndim == 0 else x[None, :, None] if x.ndim == 1 else x[:, :, None]
            else:
                x = x.reshape((1,) * (ndim - x.ndim) + tuple(x.shape))
        raised.append(x)
    return raised[0] if single else tuple(raised)


def atleast_1d(*tensors: Any) -> Any:
    """Give tensors at least one dimension: one tensor, or a tuple for several or a list."""
    return _raised(*tensors, ndim=1, who="atleast_1d")


def atleast_2d(*tensors: Any) -> Any:
    """Give tensors at least two dimensions, new ones first."""
    return _raised(*tensors, ndim=2, who="atleast_2d")


def atleast_3d(*tensors: Any) -> Any:
    """Give tensors at least three dimensions: (n,) becomes (1, n, 1) and (n, m) becomes (n, m, 1)."""
    return _raised(*tensors, ndim=3, who="atleast_3d")


def _some(name: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors as a list; there must be one at least."""
    parts = list(tensors)
    if not parts:
        raise RuntimeError(f"{name}: needs at least one tensor")
    return parts


@with_out
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the second dimension; vectors along their only one."""
    parts = list(atleast_1d(_some("hstack", tensors)))
    return ops.cat(parts, 0 if parts[0].ndim == 1 else 1)


@with_out
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the first dimension; vectors are rows."""
    return ops.cat(list(atleast_2d(_some("vstack", tensors))), 0)


@with_out
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the third dimension; see atleast_3d."""
    return ops.cat(list(atleast_3d(_some("dstack", tensors))), 2)


@with_out
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the second dimension; numbers and vectors are columns."""
    parts = _some("column_stack", _all((tensors,), "column_stack"))
    return ops.cat([x.reshape(x.numel(), 1) if x.ndim < 2 else x for x in parts], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """Put matrices (vectors are rows, numbers 1 by 1) along the diagonal of a matrix of zeros."""
    blocks = []
    for place, x in enumerate(_all(tensors, "block_diag")):
        if x.ndim > 2:
            raise RuntimeError(
                f"block_diag: tensor {place} of shape {tuple(x.shape)} has more than 2 dimensions"
            )
        blocks.append(atleast_2d(x))
    if not blocks:
        return _core.empty(1, 0)
    width = sum(block.shape[1] for block in blocks)
    rows, start = [], 0
    for block in blocks:
        own = block.shape[1]
        rows.append(ops.constant_pad_nd(block, [start, width - start - own]))
        start += own
    return ops.cat(rows, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Give every choice of one element from each vector, as rows; a single vector is returned as it is."""
    vectors = _all(tensors, "cartesian_prod")
    for x in vectors:
        if x.ndim != 1:
            raise RuntimeError(f"cartesian_prod: expects 1-d tensors, got shape {tuple(x.shape)}")
    if len(vectors) == 1:
        return vectors[0]
    shape = [x.numel() for x in vectors]
    grids = [
        x.reshape([-1 if d == place else 1 for d in range(len(shape))]).expand(shape).reshape(-1)
        for place, x in enumerate(vectors)
    ]
    return ops.stack(grids, 1)


def _pairs(n: int, with_equals: bool) -> Tensor:
    """Both places of all pairs i < j (or i <= j) below n, one pair behind the other."""
    numbers = np.arange(n)
    counts = n - numbers - (not with_equals)
    first = np.repeat(numbers, counts)
    places = np.empty((first.size, 2), np.int64)
    places[:, 0] = first
    places[:, 1] = np.arange(first.size) + np.repeat(n - np.cumsum(counts), counts)
    return _core.tensor(places.reshape(-1))


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Give every combination of r elements of a vector, as rows."""
    require_tensor("input", input, "combinations")
    if input.ndim != 1:
        raise RuntimeError(f"combinations: expects a 1-d tensor, got shape {tuple(input.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: r must not be negative, got {r}")
    if r == 0:
        return _core.empty(0, dtype=input.dtype)
    if r == 2:
        return ops.index_select(input, 0, _pairs(input.numel(), with_replacement)).reshape(-1, 2)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input.numel()), r))
    places = _core.tensor(rows, dtype=_core.int64)
    return ops.index_select(input, 0, places.reshape(-1)).reshape(len(rows), r)


# Splitting ------------------------------------------------------------------------------------------------


def tensor_split(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | Tensor | None = None,
    dim: int = 0,
    *,
    indices: Sequence[int] | Tensor | None = None,
    sections: int | Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Split along a dimension into sections whose sizes differ by at most one, or before given indices."""
    require_tensor("input", input, "tensor_split")
    chosen: Any = next((c for c in (indices_or_sections, indices, sections) if c is not None), None)
    if chosen is None:
        raise TypeError("tensor_split(): indices_or_sections is missing")
    if input.ndim == 0:
        raise RuntimeError("tensor_split: a 0-d tensor cannot be split")
    dim = _dim(dim, input.ndim, "tensor_split")
    if isinstance(chosen, Tensor):
        if chosen.dtype != _core.int64 or chosen.ndim > 1:
            raise RuntimeError("tensor_split: a tensor of indices or sections must be int64, 0-d or 1-d")
        chosen = chosen.tolist()
    size = input.shape[dim]
    if isinstance(chosen, int):
        if chosen <= 0:
            raise RuntimeError(f"tensor_split: the number of sections must be positive, got {chosen}")
        small, larger = divmod(size, chosen)
        bounds = [0]
        for place in range(chosen):
            bounds.append(bounds[-1] + small + (place < larger))
    else:
        bounds = [0, *chosen, size]
    pieces = []
    for begin, end in itertools.pairwise(bounds):
        start, stop, _ = slice(begin, end).indices(size)
        pieces.append(
            input.narrow(dim, min(start, stop), max(0, stop - start))
            if stop > start
            else input.narrow(dim, 0, 0)
        )
    return tuple(pieces)


def _split_at(who: str, input: Tensor, what: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(f"{who}: needs at least {least} dimensions, got shape {tuple(input.shape)}")
    if isinstance(what, int) and (what <= 0 or input.shape[dim] % what):
        raise RuntimeError(
            f"{who}: dim {dim} of shape {tuple(input.shape)} does not divide into {what} equal sections"
        )
    return tensor_split(input, what, dim)


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Split along the second dimension (the only one of vectors)."""
    require_tensor("input", input, "hsplit")
    return _split_at("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Split along the first dimension of at least two."""
    require_tensor("input", input, "vsplit")
    return _split_at("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Split along the third dimension."""
    require_tensor("input", input, "dsplit")
    return _split_at("dsplit", input, indices_or_sections, 2, 3)


# Repeating and turning ------------------------------------------------------------------------------------


def repeat_interleave(
    input: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Repeat elements along a dimension (of the flattened input by default), all alike or each its own way.

    With one argument, a vector of counts, give each index as often as its count.
    """
    require_tensor("input", input, "repeat_interleave")
    if repeats is None:
        counts = input
        if counts.ndim != 1 or counts.dtype not in (_core.int32, _core.int64):
            raise RuntimeError("repeat_interleave: repeats must be a 1-d tensor of int64 or int32")
        input, dim, repeats = _core.arange(counts.numel(), dtype=counts.dtype), 0, counts
    if dim is None:
        input, dim = input.reshape(-1), 0
    elif input.ndim == 0:
        input = input.reshape(1)
    dim = _dim(dim, input.ndim, "repeat_interleave")
    size = input.shape[dim]
    if isinstance(repeats, Tensor):
        if repeats.dtype not in (_core.int32, _core.int64) or repeats.ndim > 1:
            raise RuntimeError("repeat_interleave: repeats must be a 0-d or 1-d tensor of int64 or int32")
        if repeats.numel() == 1 and size != 1:
            repeats = int(repeats.item())
    if isinstance(repeats, Tensor):
        counts = repeats.reshape(-1).long()
        if counts.numel() != size:
            raise RuntimeError(
                f"repeat_interleave: {counts.numel()} repeats for {size} elements along dim {dim}"
            )
        if size and int(counts.min()) < 0:
            raise RuntimeError("repeat_interleave: repeats must not be negative")
        ends = counts.cumsum(0)
        total = int(ends[-1]) if size else 0
        places = ops.searchsorted(ends, _core.arange(total, dtype=_core.int64), right=True)
        result = ops.index_select(input, dim, places)
    else:
        if repeats < 0:
            raise RuntimeError(f"repeat_interleave: repeats must not be negative, got {repeats}")
        total = size * repeats
        shape = list(input.shape)
        result = input.unsqueeze(dim + 1).expand([*shape[: dim + 1], repeats, *shape[dim + 1 :]])
        shape[dim] = total
        result = result.clone().reshape(shape)  # never a view, in which elements might share a place
    if output_size is not None and output_size != total:
        raise RuntimeError(f"repeat_interleave: output_size is {output_size}, but the repeats sum to {total}")
    return result


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by k times 90 degrees in the plane of two dimensions, from the first towards the second."""
    require_tensor("input", input, "rot90")
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(
            f"rot90: needs two dims and at least 2 dimensions, got {list(dims)} for {tuple(input.shape)}"
        )
    first, second = (_dim(d, input.ndim, "rot90") for d in dims)
    if first == second:
        raise RuntimeError(f"rot90: the dims must differ, got {list(dims)}")
    k %= 4
    if k == 2:
        return input.flip([first, second])
    if k == 0:
        return input.clone()
    return (
        input.flip([second]).transpose(first, second)
        if k == 1
        else input.flip([first]).transpose(first, second)
    )


def fliplr(input: Tensor) -> Tensor:
    """Reverse the second dimension."""
    require_tensor("input", input, "fliplr")
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: needs at least 2 dimensions, got shape {tuple(input.shape)}")
    return input.flip([1])


def flipud(input: Tensor) -> Tensor:
    """Reverse the first dimension."""
    require_tensor("input", input, "flipud")
    if input.ndim < 1:
        raise RuntimeError("flipud: needs at least 1 dimension, got a 0-d tensor")
    return input.flip([0])


def adjoint(input: Tensor) -> Tensor:
    """Give a view with the last two dimensions swapped; real tensors have nothing to conjugate."""
    require_tensor("input", input, "adjoint")
    return input.transpose(-2, -1) if input.ndim else input


# Matrices of indices --------------------------------------------------------------------------------------


def _triangle(places: Any, row: int, col: int, dtype: Any, device: Any, who: str) -> Tensor:
    _core._check_device(device)
    if row < 0 or col < 0:
        raise RuntimeError(f"{who}: row and col must not be negative, got {row} and {col}")
    indices = _core.from_numpy(np.stack(places).astype(np.int64))
    return indices if dtype is None else indices.to(dtype)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """Give the rows and columns of the lower triangle of a matrix, int64 (2, count), row by row."""
    del layout
    places = np.tril_indices(max(row, 0), offset, max(col, 0))
    return _triangle(places, row, col, dtype, device, "tril_indices")


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """Give the rows and columns of the upper triangle of a matrix, int64 (2, count), row by row."""
    del layout
    places = np.triu_indices(max(row, 0), offset, max(col, 0))
    return _triangle(places, row, col, dtype, device, "triu_indices")


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Give the matrix whose columns are the powers of a vector, from the highest down unless increasing."""
    require_tensor("x", x, "vander")
    if x.ndim != 1:
        raise RuntimeError(f"vander: expects a 1-d tensor, got shape {tuple(x.shape)}")
    n = x.numel() if N is None else N
    if n < 0:
        raise RuntimeError(f"vander: N must not be negative, got {n}")
    if not x.is_floating_point():
        x = x.long()
    if n == 0:
        return _core.empty(x.numel(), 0, dtype=x.dtype)
    columns = [_core.ones(x.numel(), dtype=x.dtype)]
    for _ in range(n - 1):
        columns.append(columns[-1] * x)
    return ops.stack(columns if increasing else columns[::-1], 1)


__all__ = [
    "adjoint",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "cartesian_prod",
    "column_stack",
    "combinations",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "repeat_interleave",
    "rot90",
    "tensor_split",
    "tril_indices",
    "triu_indices",
    "vander",
    "vsplit",
    "vstack",
]
METHODS = [
    "adjoint",
    "dsplit",
    "fliplr",
    "flipud",
    "hsplit",
    "repeat_interleave",
    "rot90",
    "tensor_split",
    "vsplit",
]
