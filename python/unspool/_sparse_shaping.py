"""Sparse tensors in other shapes: resized, selected from, joined; and softmax over what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unspool import _core
from unspool._core import Size, Tensor, ops

__all__ = ["SparseShaping", "cat", "softmax", "stack"]


class SparseShaping:
    """What ``SparseTensor`` knows about shapes; indices (sparse dims, n), values (n, dense dims)."""

    _index_tensor: Tensor
    _value_tensor: Tensor
    _coalesced: bool
    shape: Size

    def __init__(self, indices: Tensor, values: Tensor, size: Sequence[int], coalesced: bool) -> None:
        self._index_tensor = indices
        self._value_tensor = values
        self.shape = Size(size)
        self._coalesced = coalesced

    def _made(self, indices: Tensor, values: Tensor, size: Sequence[int], coalesced: bool = False) -> Any:
        return type(self)(indices, values, size, coalesced)

    def _sparse_place(self, name: str, dim: int, count: int | None = None) -> int:
        """Check that a dimension is one that indices name, and count it from the front."""
        dims = len(self._index_tensor) if count is None else count
        place = dim + len(self.shape) + (0 if count is None else 1) if dim < 0 else dim
        if 0 <= place < dims:
            return place
        raise IndexError(
            f"{name}: dimension {dim} of a sparse tensor of shape {tuple(self.shape)} must be one of its "
            f"{dims} sparse dimensions; use to_dense() for others"
        )

    def resize_as_(self, other: Any) -> Any:
        """Take the size of another sparse tensor; see ``sparse_resize_``."""
        if not isinstance(other, SparseShaping):
            raise TypeError("resize_as_: a sparse tensor takes the size of a sparse tensor; use to_dense()")
        return self.sparse_resize_(other.shape, len(other._index_tensor), other._value_tensor.ndim - 1)

    def sparse_resize_(self, size: Sequence[int], sparse_dim: int, dense_dim: int) -> Any:
        """Change the size in place; what is stored stays, so that sizes only grow unless nothing is.

        Raises:
            RuntimeError: dimensions do not add up, or something is stored and would be lost.
        """
        if sparse_dim + dense_dim != len(size):
            raise RuntimeError(
                f"sparse_resize_: {sparse_dim} sparse and {dense_dim} dense dimensions do not make "
                f"a tensor of {len(size)} dimensions"
            )
        if self._value_tensor.shape[0] == 0:
            return self.sparse_resize_and_clear_(size, sparse_dim, dense_dim)
        if len(self._index_tensor) != sparse_dim or self._value_tensor.ndim - 1 != dense_dim:
            raise RuntimeError(
                "sparse_resize_: the number of sparse and of dense dimensions cannot change while values are "
                "stored; make a new sparse tensor"
            )
        if any(new < old for new, old in zip(size, self.shape, strict=True)):
            raise RuntimeError(
                f"sparse_resize_: shrinking {tuple(self.shape)} to {tuple(size)} could lose stored values; "
                "make a new sparse tensor"
            )
        values = self._value_tensor
        for dim, new in enumerate(size[sparse_dim:], 1):
            rest = [*values.shape[:dim], new - values.shape[dim], *values.shape[dim + 1 :]]
            values = ops.cat([values, _core.zeros(rest, dtype=values.dtype)], dim)
        self._value_tensor = values
        self.shape = Size(size)
        return self

    def sparse_resize_and_clear_(self, size: Sequence[int], sparse_dim: int, dense_dim: int) -> Any:
        """Change the size in place, and store nothing."""
        if sparse_dim + dense_dim != len(size):
            raise RuntimeError(f"sparse_resize_and_clear_: {sparse_dim} + {dense_dim} is not {len(size)}")
        self._index_tensor = _core.zeros((sparse_dim, 0), dtype=_core.int64)
        self._value_tensor = _core.zeros((0, *size[sparse_dim:]), dtype=self._value_tensor.dtype)
        self.shape = Size(size)
        self._coalesced = True
        return self

    def zero_(self) -> Any:
        """Store nothing any more."""
        sparse_dim = len(self._index_tensor)
        return self.sparse_resize_and_clear_(self.shape, sparse_dim, len(self.shape) - sparse_dim)

    def select(self, dim: int, index: int) -> Any:
        """Give what has one index in a sparse dimension, which is dropped; dense for a vector."""
        place = self._sparse_place("select", dim)
        size = self.shape[place]
        if not -size <= index < size:
            raise IndexError(f"select: index {index} is out of range in dimension {dim} of size {size}")
        found: Any = self._index_tensor[place].eq(index % size).nonzero()
        kept = found.reshape(-1)
        rows = [row.index_select(0, kept) for d, row in enumerate(self._index_tensor) if d != place]
        values = self._value_tensor.index_select(0, kept)
        if not rows:
            return values.sum(0)
        shape = [n for d, n in enumerate(self.shape) if d != place]
        return self._made(ops.stack(rows), values, shape, self._coalesced)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and not isinstance(index, bool):
            return self.select(0, index)
        raise NotImplementedError(
            "a sparse tensor is indexed by one integer; use index_select, or to_dense() for other indices"
        )

    def index_select(self, dim: int, index: Tensor) -> Any:
        """Give the slices of a sparse dimension that ``index`` (int64, 1-d) names, in its order."""
        place = self._sparse_place("index_select", dim)
        if index.ndim > 1:
            raise IndexError(f"index_select: index must have at most one dimension, got {index.ndim}")
        index = index.reshape(-1).to(_core.int64)
        size = self.shape[place]
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < size:
            raise IndexError(f"index_select: an index is out of range in dimension {dim} of size {size}")
        # Each stored value goes to every place that asks for its slice.
        wanted: Any = index.reshape(-1, 1).eq(self._index_tensor[place].reshape(1, -1)).nonzero()
        to, of = wanted[:, 0], wanted[:, 1]
        rows = [to if d == place else row.index_select(0, of) for d, row in enumerate(self._index_tensor)]
        shape = [len(index) if d == place else n for d, n in enumerate(self.shape)]
        return self._made(ops.stack(rows), self._value_tensor.index_select(0, of), shape)

    def unsqueeze(self, dim: int) -> Any:
        """Add a sparse dimension of size 1."""
        place = self._sparse_place("unsqueeze", dim, len(self._index_tensor) + 1)
        rows = list(self._index_tensor)
        rows.insert(place, _core.zeros(self._value_tensor.shape[0], dtype=_core.int64))
        shape = list(self.shape)
        shape.insert(place, 1)
        return self._made(ops.stack(rows), self._value_tensor, shape, self._coalesced)


def _all_sparse(name: str, tensors: Sequence[Any]) -> list[Any]:
    if not all(isinstance(tensor, SparseShaping) for tensor in tensors):
        raise TypeError(f"{name}: sparse and dense tensors are not joined; use to_dense() or to_sparse()")
    return list(tensors)


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join sparse tensors along a sparse dimension.

    Raises:
        RuntimeError: shapes differ elsewhere.
        TypeError: some are dense.
    """
    parts = _all_sparse("cat", tensors)
    first = parts[0]
    place = first._sparse_place("cat", dim)
    indices, offset = [], 0
    for part in parts:
        other = [n for d, n in enumerate(part.shape) if d != place]
        same = len(part._index_tensor) == len(first._index_tensor) and len(part.shape) == len(first.shape)
        if not same or other != [n for d, n in enumerate(first.shape) if d != place]:
            raise RuntimeError(
                f"cat: shapes {tuple(first.shape)} and {tuple(part.shape)} differ outside of dimension {dim}"
            )
        shift = _core.zeros((len(part._index_tensor), 1), dtype=_core.int64)
        shift[place] = offset
        indices.append(part._index_tensor + shift)
        offset += part.shape[place]
    shape = [offset if d == place else n for d, n in enumerate(first.shape)]
    return first._made(ops.cat(indices, 1), ops.cat([part._value_tensor for part in parts]), shape)


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join sparse tensors of one shape along a new sparse dimension; errors as in ``cat``."""
    parts = _all_sparse("stack", tensors)
    for part in parts:
        if tuple(part.shape) != tuple(parts[0].shape):
            raise RuntimeError(f"stack: shapes {tuple(parts[0].shape)} and {tuple(part.shape)} differ")
    place = parts[0]._sparse_place("stack", dim, len(parts[0]._index_tensor) + 1)
    return cat([part.unsqueeze(place) for part in parts], place)


def softmax(input: Any, dim: int, dtype: Any = None, log: bool = False) -> Any:
    """Give the softmax, or its logarithm, over the stored values of each slice; what is not stored is -inf.

    Args:
        input: sparse, floating.
        dim: any dimension.
        dtype: to convert to before.
        log: whether to give the logarithm.
    """
    whole = (input if dtype is None else input.to(dtype)).coalesce()
    dim = dim + len(whole.shape) if dim < 0 else dim
    values, sparse_dim = whole._value_tensor, len(whole._index_tensor)
    if not 0 <= dim < len(whole.shape):
        raise IndexError(f"softmax: dimension {dim} of a tensor of {len(whole.shape)} dimensions")
    if dim >= sparse_dim:
        place = dim - sparse_dim + 1
        return whole._with(values.log_softmax(place) if log else values.softmax(place))
    group, total = _core.zeros(values.shape[0], dtype=_core.int64), 1
    for d in range(sparse_dim):
        if d != dim:
            group = group * whole.shape[d] + whole._index_tensor[d]
            total *= whole.shape[d]
    start = _core.full((total, *values.shape[1:]), float("-inf"), dtype=values.dtype)
    greatest = start.index_reduce(0, group, values.detach(), "amax").index_select(0, group)
    shifted = values - greatest
    powers = shifted.exp()
    zeros = _core.zeros((total, *values.shape[1:]), dtype=values.dtype)
    sums = zeros.index_add(0, group, powers).index_select(0, group)
    return whole._with(shifted - sums.log() if log else powers / sums)
