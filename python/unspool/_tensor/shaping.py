"""In-place changes of a tensor's shape, memory and diagonal: methods whose names end in an underscore."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from unspool import _core
from unspool._arguments import require_tensors
from unspool._core import Tensor, ops

if TYPE_CHECKING:
    from unspool.storage import UntypedStorage


def _refuse_leaf(self: Tensor, who: str) -> None:
    if self.requires_grad and self.is_leaf and _core.is_grad_enabled():
        raise RuntimeError(
            f"{who}: a leaf that requires grad cannot be changed in place; use no_grad(), or a clone()"
        )


def _become(self: Tensor, view: Tensor, who: str) -> Tensor:
    """Let this object stand for a view of what it stood for, with the view's history."""
    _core.before_rebinding(self, who)
    _refuse_leaf(self, who)
    if self.requires_grad and self.is_leaf:
        self.data = view
    else:
        self._swap(view)
    return self


def _reshaping(view: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return _become(self, view(self, *args, **kwargs), f"{name}_")

    method.__name__ = f"{name}_"
    method.__doc__ = f"{name}, with this tensor itself becoming the view; returns self."
    return method


def _sizes(size: tuple[Any, ...]) -> list[int]:
    return list(size[0]) if len(size) == 1 and not isinstance(size[0], int) else list(size)


def resize_(self: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Change the shape; elements keep their order in memory, and new ones are uninitialised.

    Where the storage is large enough it is kept, otherwise the elements are copied into a larger one, which
    views of the old one do not share.

    Args:
        self: a tensor that does not require grad.
        size: the new sizes, or one sequence of them.
        memory_format: accepted, without effect.

    Returns:
        self.

    Raises:
        RuntimeError: the tensor requires grad, or a size is negative.
    """
    del memory_format
    _core.before_rebinding(self, "resize_")
    if self.requires_grad:
        raise RuntimeError(
            "resize_: a tensor that requires grad cannot be resized; use reshape() or a new tensor"
        )
    sizes = _sizes(size)
    if any(each < 0 for each in sizes):
        raise RuntimeError(f"resize_: sizes must not be negative, got {tuple(sizes)}")
    strides = [math.prod(max(each, 1) for each in sizes[d + 1 :]) for d in range(len(sizes))]
    wanted = math.prod(sizes)
    there = self.untyped_storage().nbytes() // self.itemsize - self.storage_offset()
    plain = self.detach()
    if wanted <= there:
        self.data = ops.as_strided(plain, sizes, strides, self.storage_offset())
        return self
    larger = _core.empty(wanted, dtype=self.dtype)
    if there > 0:
        larger[:there].copy_(ops.as_strided(plain, [there], [1], self.storage_offset()))
    self.data = larger.reshape(sizes)
    return self


def resize(self: Tensor, *size: Any) -> Tensor:
    """Give the elements in another shape; an old name of ``reshape`` that warns.

    Raises:
        RuntimeError: the sizes hold another number of elements.
    """
    warnings.warn("Tensor.resize is an older name: use reshape, or resize_", stacklevel=2)
    return self.reshape(*size)


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """Give the elements in the shape of ``tensor``; an old name of ``reshape_as`` that warns."""
    warnings.warn("Tensor.resize_as is an older name: use reshape_as, or resize_as_", stacklevel=2)
    return self.reshape(tensor.shape)


def resize_as_(self: Tensor, other: Tensor, memory_format: Any = None) -> Tensor:
    """``resize_`` to the other tensor's shape."""
    require_tensors("resize_as_", self=self, other=other)
    return resize_(self, list(other.shape), memory_format=memory_format)


def set_(
    self: Tensor,
    source: Tensor | UntypedStorage | None = None,
    storage_offset: int = 0,
    size: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
) -> Tensor:
    """Let this tensor show another one's memory; without arguments, none (shape (0,)).

    Args:
        self: the tensor to change, not a leaf that requires grad.
        source: a tensor of the same dtype, or the storage of one.
        storage_offset: of the first element in the source's storage, in elements; used with ``size``.
        size: the shape; by default that of the source.
        stride: steps between neighbours, in elements; by default row-major.

    Returns:
        self.

    Raises:
        RuntimeError: dtypes differ, or the elements reach outside of the storage.
    """
    _core.before_rebinding(self, "set_")
    _refuse_leaf(self, "set_")
    if source is None:
        self.data = _core.empty(0, dtype=self.dtype)
        return self
    given = source.detach() if isinstance(source, Tensor) else source._tensor
    if given.dtype != self.dtype:
        raise RuntimeError(f"set_: source is {given.dtype} but this tensor is {self.dtype}")
    if size is None and not isinstance(source, Tensor):
        size = [source.nbytes() // self.itemsize]
    if size is not None:
        sizes = list(size)
        row_major = [math.prod(sizes[d + 1 :]) for d in range(len(sizes))]
        given = ops.as_strided(
            given, sizes, list(stride) if stride is not None else row_major, storage_offset
        )
    self.data = given
    return self


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write a number onto the main diagonal of a tensor with at least two dimensions.

    Args:
        self: a matrix, or a tensor with more dimensions that are all of one size.
        fill_value: the number.
        wrap: for a tall matrix, start again one row below the end of each diagonal.

    Returns:
        self.

    Raises:
        RuntimeError: fewer than two dimensions, or more than two of different sizes.
    """
    _refuse_leaf(self, "fill_diagonal_")
    if self.ndim < 2:
        raise RuntimeError(f"fill_diagonal_: needs at least 2 dimensions, got shape {tuple(self.shape)}")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError(f"fill_diagonal_: all sizes must be equal, got shape {tuple(self.shape)}")
    rows, columns = self.shape[0], self.shape[1]
    if self.ndim > 2:
        places = _core.arange(rows)
        self[(places,) * self.ndim] = fill_value
        return self
    starts = range(0, rows, columns + 1) if wrap and columns else range(1)
    for start in starts:
        self[start:].diagonal().fill_(fill_value)
    return self


def new(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Make a tensor of this one's dtype: of sizes (uninitialised), of data, or empty; an old name."""
    from unspool._tensor.kinds import of_dtype

    made: Tensor = of_dtype(self.dtype)(*args, **kwargs)
    return made


_VIEWS: dict[str, Callable[..., Tensor]] = {
    "squeeze": ops.squeeze,
    "unsqueeze": ops.unsqueeze,
    "t": ops.t,
    "transpose": ops.transpose,
    "swapaxes": ops.transpose,
    "as_strided": ops.as_strided,
}
METHODS: dict[str, Any] = {f"{name}_": _reshaping(view, name) for name, view in _VIEWS.items()}
METHODS |= {
    "resize": resize,
    "resize_": resize_,
    "resize_as": resize_as,
    "resize_as_": resize_as_,
    "set_": set_,
    "fill_diagonal_": fill_diagonal_,
    "new": new,
}
