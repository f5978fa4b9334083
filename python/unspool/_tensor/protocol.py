"""Shift operators, conversions and properties of Tensor that complete what Python and NumPy users expect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, ops


def lshift(self: Tensor, other: Any) -> Tensor:
    """Give self << other."""
    return ops.bitwise_left_shift(self, other)


def rshift(self: Tensor, other: Any) -> Tensor:
    """Give self >> other."""
    return ops.bitwise_right_shift(self, other)


def rlshift(self: Tensor, other: Any) -> Tensor:
    """Give other << self."""
    return ops.bitwise_left_shift(_core.tensor(other), self)


def rrshift(self: Tensor, other: Any) -> Tensor:
    """Give other >> self."""
    return ops.bitwise_right_shift(_core.tensor(other), self)


def ilshift(self: Tensor, other: Any) -> Tensor:
    """Shift self to the left by other, in its own memory."""
    return self.bitwise_left_shift_(other)


def irshift(self: Tensor, other: Any) -> Tensor:
    """Shift self to the right by other, in its own memory."""
    return self.bitwise_right_shift_(other)


def rdiv(self: Tensor, other: Any) -> Tensor:
    """Give other / self, under the name that Python 2 had for it."""
    return self.__rtruediv__(other)


def complex_(self: Tensor) -> complex:
    """Turn the only element into a Python complex number."""
    return complex(self.item())


def map_(self: Tensor, other: Tensor, callable: Callable[[float, float], float]) -> Tensor:
    """Replace each element by ``callable(element, other's element)``; not recorded for gradients."""
    function = np.vectorize(callable, otypes=[self.dtype.__name__])
    values = function(self.detach().numpy(), other.detach().expand(self.shape).numpy())
    self.data.copy_(_core.from_numpy(np.asarray(values)))
    return self


def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return self.shape == require_tensor("other", other, "is_same_size").shape


def conjugate_transposed(self: Tensor) -> Tensor:
    """Transpose a matrix; real elements have nothing to conjugate."""
    if self.ndim not in (0, 2):
        raise RuntimeError(f"H: needs a matrix, got shape {tuple(self.shape)}; use mH for batches")
    return self.t()


def conjugate_matrices_transposed(self: Tensor) -> Tensor:
    """Transpose the last two dimensions; real elements have nothing to conjugate."""
    return self.mT


def array_wrap(
    self: Tensor, array: Any, context: tuple[Any, ...] | None = None, return_scalar: bool = False
) -> Tensor:
    """Make a tensor of what a function of NumPy computed from this one, as ``tensor + array`` relies on."""
    del self, context, return_scalar
    return _core.from_numpy(np.asarray(array))


def dense_dim(self: Tensor) -> int:
    """How many dimensions hold every element: all of them."""
    return self.ndim


def no_dimension(_: Tensor) -> int:
    """Give 0: no dimension leaves elements out."""
    return 0


def never(_: Tensor) -> bool:
    """Give False: there is one kind of tensor, in the memory of one process."""
    return False


# Kinds of tensors elsewhere.
_KINDS = ("is_ipu", "is_maia", "is_mkldnn", "is_mtia", "is_nested", "is_sparse_csr", "is_vulkan", "is_xla")

METHODS: dict[str, Any] = {
    **{kind: property(never) for kind in _KINDS},
    "is_distributed": never,
    "dense_dim": dense_dim,
    "sparse_dim": no_dimension,
    "__array_wrap__": array_wrap,
    "__lshift__": lshift,
    "__rshift__": rshift,
    "__rlshift__": rlshift,
    "__rrshift__": rrshift,
    "__ilshift__": ilshift,
    "__irshift__": irshift,
    "__rdiv__": rdiv,
    "__complex__": complex_,
    "map_": map_,
    "is_same_size": is_same_size,
    "H": property(conjugate_transposed),
    "mH": property(conjugate_matrices_transposed),
}
