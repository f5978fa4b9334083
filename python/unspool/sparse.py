"""Sparse tensors in coordinate form: the values of the elements that are not zero, and their indices.

They take part in what graph networks need of them: products with dense matrices, sums with dense tensors, and
conversions, with gradients for values and dense operands. Everything is computed by dense operations on the
values (gather and index_add), so derivatives of any order come with them.
"""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Sequence
from typing import Any

from unspool import _core
from unspool._core import Tensor, device, ops
from unspool._dtypes import promote_types
from unspool._layouts import sparse_coo
from unspool._lazy import MissingName
from unspool._sparse_shaping import SparseShaping, cat, softmax, stack

__all__ = [
    "DoubleTensor",
    "FloatTensor",
    "LongTensor",
    "SparseTensor",
    "addmm",
    "log_softmax",
    "mm",
    "softmax",
    "sparse_coo_tensor",
    "spmm",
    "sum",
]


class SparseTensor(SparseShaping):
    """A tensor of which only some elements are stored.

    Made by ``sparse_coo_tensor`` and ``Tensor.to_sparse``. Elements at the same place add up; ``coalesce()``
    adds them and sorts the rest.
    """

    is_sparse = True
    is_cuda = False
    layout = sparse_coo

    # ---- what it is ----

    @property
    def dtype(self) -> _core.dtype:
        """Type of the values."""
        return self._value_tensor.dtype

    @property
    def _version(self) -> int:
        """How often the indices and values were changed in place."""
        return self._index_tensor._version + self._value_tensor._version

    @property
    def device(self) -> device:
        """Where it is."""
        return self._value_tensor.device

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients reach the values."""
        return self._value_tensor.requires_grad

    @property
    def T(self) -> SparseTensor:
        """The transposed matrix."""
        return self.t()

    def size(self, dim: int | None = None) -> Any:
        """Give the shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Give the number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Give the number of elements, those that are zero included."""
        return self.shape.numel()

    def sparse_dim(self) -> int:
        """Give the number of dimensions that indices name."""
        return self._index_tensor.shape[0]

    def dense_dim(self) -> int:
        """Give the number of dimensions of one value."""
        return self.ndim - self.sparse_dim()

    def _nnz(self) -> int:
        return self._index_tensor.shape[1]

    def is_coalesced(self) -> bool:
        """Whether each place occurs once, in order."""
        return self._coalesced

    def indices(self) -> Tensor:
        """Give the places, (sparse dimensions, number of values); RuntimeError if not coalesced."""
        self._require_coalesced("indices")
        return self._index_tensor

    def values(self) -> Tensor:
        """Give the values; RuntimeError if not coalesced."""
        self._require_coalesced("values")
        return self._value_tensor

    def _indices(self) -> Tensor:
        return self._index_tensor

    def _values(self) -> Tensor:
        return self._value_tensor

    def _require_coalesced(self, name: str) -> None:
        if not self._coalesced:
            raise RuntimeError(f"{name}: the sparse tensor is not coalesced; call .coalesce() first")

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return (
            f"tensor(indices={self._index_tensor},\n       values={self._value_tensor},\n"
            f"       size={tuple(self.shape)}, nnz={self._nnz()}, layout=torch.sparse_coo)"
        )

    # ---- conversions ----

    def _flat(self) -> tuple[Tensor, int]:
        """Give the place of each value in a flat tensor, and how many places there are."""
        places = self.shape[: self.sparse_dim()]
        total, flat = 1, _core.zeros(self._nnz(), dtype=_core.int64)
        for size, row in builtins.zip(reversed(places), reversed(list(self._index_tensor)), strict=True):
            flat = flat + row * total
            total *= size
        return flat, total

    def coalesce(self) -> SparseTensor:
        """Add up the values of each place, and sort the places."""
        if self._coalesced:
            return self
        import numpy as np

        flat, _ = self._flat()
        distinct, group = np.unique(flat.numpy(), return_inverse=True)
        values = self._value_tensor
        summed = _core.zeros((len(distinct), *values.shape[1:]), dtype=values.dtype)
        groups = _core.from_numpy(group.astype(np.int64).reshape(-1))
        summed = _add_rows(summed, groups, values)
        rows = np.stack(np.unravel_index(distinct, self.shape[: self.sparse_dim()])).astype(np.int64)
        return SparseTensor(_core.from_numpy(rows), summed, self.shape, True)

    def to_dense(self, dtype: _core.dtype | None = None) -> Tensor:
        """Give all elements."""
        flat, total = self._flat()
        values = self._value_tensor
        zeros = _core.zeros((total, *values.shape[1:]), dtype=values.dtype)
        dense = _add_rows(zeros, flat, values).reshape(self.shape)
        return dense if dtype is None else dense.to(dtype)

    def to_sparse(self, sparse_dim: int | None = None) -> SparseTensor:
        """Return self."""
        if sparse_dim not in (None, self.sparse_dim()):
            raise NotImplementedError("torch.Tensor.to_sparse: other sparse dimensions of a sparse tensor")
        return self

    def _with(self, values: Tensor) -> SparseTensor:
        return SparseTensor(self._index_tensor, values, self.shape, self._coalesced)

    def to(self, *args: Any, **kwargs: Any) -> SparseTensor:
        """Convert the values."""
        return self._with(self._value_tensor.to(*args, **kwargs))

    def float(self) -> SparseTensor:
        """Convert the values to float32."""
        return self._with(self._value_tensor.float())

    def double(self) -> SparseTensor:
        """Convert the values to float64."""
        return self._with(self._value_tensor.double())

    def cpu(self) -> SparseTensor:
        """Return self."""
        return self

    def cuda(self, *_args: Any, **_kwargs: Any) -> SparseTensor:
        """Raise: this build has no CUDA support."""
        _core._check_device("cuda")
        return self

    def detach(self) -> SparseTensor:
        """Cut off the history of the values."""
        return self._with(self._value_tensor.detach())

    def clone(self) -> SparseTensor:
        """Copy the values."""
        return self._with(self._value_tensor.clone())

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Ask for gradients of the values."""
        self._value_tensor.requires_grad_(requires_grad)
        return self

    def t(self) -> SparseTensor:
        """Give the transposed matrix."""
        return self.transpose(0, 1)

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        """Exchange two dimensions that indices name."""
        order = list(range(self.sparse_dim()))
        if self.dense_dim() or not -len(order) <= min(dim0, dim1) <= max(dim0, dim1) < len(order):
            raise IndexError(f"transpose: dimensions {dim0} and {dim1} of {tuple(self.shape)}")
        order[dim0], order[dim1] = order[dim1], order[dim0]
        indices = ops.stack([self._index_tensor[row] for row in order])
        return SparseTensor(indices, self._value_tensor, [self.shape[d] for d in order], False)

    # ---- arithmetic ----

    def __matmul__(self, other: Tensor) -> Any:
        return mm(self, other)

    def mm(self, mat2: Tensor) -> Any:
        """Multiply with a dense matrix."""
        return mm(self, mat2)

    def matmul(self, other: Tensor) -> Any:
        """Multiply with a dense matrix or vector."""
        return mm(self, other)

    def __rmatmul__(self, other: Tensor) -> Any:
        return mm(other, self)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, (SparseTensor, Tensor)):
            return add(self, other)
        return NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, (SparseTensor, Tensor)):
            return add(self, -other)
        return NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return add(-self, other) if isinstance(other, Tensor) else NotImplemented

    def __mul__(self, other: Any) -> SparseTensor:
        if isinstance(other, (int, builtins.float)) or (isinstance(other, Tensor) and other.ndim == 0):
            return self._with(self._value_tensor * other)
        if isinstance(other, Tensor) and other.shape == self.shape and not self.dense_dim():
            return self._with(self._value_tensor * other[tuple(self._index_tensor)])
        return NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        if isinstance(other, (int, builtins.float)) or (isinstance(other, Tensor) and other.ndim == 0):
            return self._with(self._value_tensor / other)
        return NotImplemented

    def __neg__(self) -> SparseTensor:
        return self._with(-self._value_tensor)

    def __pow__(self, exponent: builtins.float) -> SparseTensor:
        if exponent <= 0:
            raise RuntimeError(f"pow: zeros stay zero only with a positive exponent, got {exponent}")
        whole = self.coalesce()
        return whole._with(whole._value_tensor**exponent)

    def sum(self, dim: int | None = None) -> Any:
        """Add up all elements, or one dimension, which gives a dense tensor."""
        return self._value_tensor.sum() if dim is None else self.to_dense().sum(dim)

    def add_(self, other: SparseTensor, *, alpha: builtins.float = 1.0) -> SparseTensor:
        """Add another sparse tensor in place."""
        if not isinstance(other, SparseTensor):
            raise TypeError("add_: a dense tensor is not added to a sparse one in place; use sparse + dense")
        total = add(self, other.to(self.dtype), alpha=alpha)
        self._index_tensor, self._value_tensor, self._coalesced = total._indices(), total._values(), False
        return self

    def mul_(self, other: Any) -> SparseTensor:
        """Multiply the values by a number in place."""
        self._value_tensor.mul_(other)
        return self

    def div_(self, other: Any) -> SparseTensor:
        """Divide the values by a number in place."""
        self._value_tensor.div_(other)
        return self

    def copy_(self, other: SparseTensor, non_blocking: builtins.bool = False) -> SparseTensor:
        """Take what another sparse tensor of the same shape stores, in this one's dtype."""
        del non_blocking
        if not isinstance(other, SparseTensor):
            raise TypeError("copy_: a sparse tensor takes elements of a sparse one; use to_sparse()")
        _require_same_shape("copy_", self.shape, other.shape)
        self._index_tensor = other._index_tensor.clone()
        self._value_tensor = other._value_tensor.detach().to(self.dtype).clone()
        self._coalesced = other._coalesced
        return self

    def is_floating_point(self) -> builtins.bool:
        """Whether the values are floating point numbers."""
        return self._value_tensor.is_floating_point()

    def norm(self) -> Tensor:
        """Give the root of the sum of squares of all elements, 0-d."""
        whole: Tensor = self.coalesce()._value_tensor.norm()
        return whole

    def __getattr__(self, name: str) -> Any:
        if name in _CONVERSIONS:
            return lambda: self._with(getattr(self._value_tensor, name)())
        if name in _KEEPING_ZERO:
            return functools.partial(_FUNCTIONS[name], self)
        if not name.startswith("__") and inspect.getattr_static(Tensor, name, None) is not None:
            raise MissingName(
                f"torch.Tensor.{name} is not implemented in unspool for sparse tensors; use to_dense()",
                name=name,
                obj=self,
            )
        raise AttributeError(f"'SparseTensor' object has no attribute {name!r}", name=name, obj=self)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer an operation on dense tensors that was given a sparse one."""
        del types
        name = func.__name__
        if name not in _FUNCTIONS:
            raise NotImplementedError(f"torch.{name} is not implemented in unspool for sparse tensors")
        return _FUNCTIONS[name](*args, **kwargs or {})


def _add_rows(target: Tensor, places: Tensor, rows: Tensor) -> Tensor:
    added: Tensor = target.index_add(0, places, rows)
    return added


def _require_same_shape(name: str, a: Sequence[int], b: Sequence[int]) -> None:
    if tuple(a) != tuple(b):
        raise RuntimeError(f"{name}: a sparse tensor does not broadcast: shapes {tuple(a)} and {tuple(b)}")


def add_to_dense(dense: Tensor, sparse: SparseTensor, alpha: float = 1.0) -> Tensor:
    """Give ``dense + alpha * sparse``, dense."""
    _require_same_shape("add", dense.shape, sparse.shape)
    flat, total = sparse._flat()
    values = sparse._values() * alpha if alpha != 1.0 else sparse._values()
    dtype = promote_types(dense.dtype, values.dtype)
    rows = dense.to(dtype).reshape(total, *values.shape[1:])
    return _add_rows(rows, flat, values.to(dtype)).reshape(dense.shape)


def add(input: Any, other: Any, *, alpha: float = 1.0) -> Any:
    """Give ``input + alpha * other``, of which one or both are sparse; dense if one is.

    Raises:
        RuntimeError: the shapes differ.
    """
    if not isinstance(other, SparseTensor):
        return add_to_dense(other if alpha == 1.0 else other * alpha, input)
    if not isinstance(input, SparseTensor):
        return add_to_dense(input, other, alpha)
    _require_same_shape("add", input.shape, other.shape)
    dtype = promote_types(input.dtype, other.dtype)
    indices = ops.cat([input._indices(), other._indices()], 1)
    values = ops.cat([input._values().to(dtype), (other._values() * alpha).to(dtype)])
    return SparseTensor(indices, values, input.shape, False)


def sub(input: Any, other: Any, *, alpha: float = 1.0) -> Any:
    """Give ``input - alpha * other``; see ``add``."""
    return add(input, other, alpha=-alpha)


def sparse_coo_tensor(
    indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: _core.dtype | None = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """Make a sparse tensor of places and values.

    Args:
        indices: (sparse dimensions, number of values) integers: tensor, array or lists.
        values: one for each column; further dimensions are dense.
        size: the shape; as large as the indices need where it is None.
        dtype: of the values.
        device: the CPU.
        pin_memory: accepted.
        requires_grad: whether gradients reach the values.
        check_invariants: accepted; indices are always checked.
        is_coalesced: True promises that places are sorted and distinct.

    Raises:
        RuntimeError: indices and values do not fit each other, or an index is outside of the shape.
    """
    del pin_memory, check_invariants
    _core._check_device(device)
    places = _core.as_tensor(indices).to(_core.int64)
    numbers = _core.as_tensor(values) if dtype is None else _core.as_tensor(values).to(dtype)
    if places.ndim != 2 or numbers.ndim < 1 or places.shape[1] != numbers.shape[0]:
        raise RuntimeError(
            f"sparse_coo_tensor: indices {tuple(places.shape)} and values {tuple(numbers.shape)} do not fit; "
            "expected (dimensions, n) and (n, ...)"
        )
    any_places = places.numel() > 0
    if size is None:
        found = [int(n) + 1 for n in places.amax(1).tolist()] if any_places else [0] * places.shape[0]
        size = [*found, *numbers.shape[1:]]
    if len(size) != places.shape[0] + numbers.ndim - 1:
        raise RuntimeError(f"sparse_coo_tensor: size {tuple(size)} does not fit indices and values")
    if any_places:
        low, high = places.amin(1).tolist(), places.amax(1).tolist()
        for dim, (least, most) in enumerate(builtins.zip(low, high, strict=True)):
            if least < 0 or most >= size[dim]:
                bad = least if least < 0 else most
                raise RuntimeError(
                    f"sparse_coo_tensor: index {bad} is out of range in dimension {dim} of size {size[dim]}"
                )
    result = SparseTensor(places, numbers, size, bool(is_coalesced))
    return result.requires_grad_() if requires_grad else result


def to_sparse(self: Tensor, sparse_dim: int | None = None) -> SparseTensor:
    """Give the elements that are not zero as a sparse tensor; gradients flow through it."""
    if sparse_dim is not None and sparse_dim != self.ndim:
        raise NotImplementedError("torch.Tensor.to_sparse: fewer sparse dimensions than the tensor has")
    import numpy as np

    places = np.stack(np.nonzero(self.detach().ne(0).numpy())).astype(np.int64)
    indices = _core.from_numpy(places)
    flat = _core.from_numpy(np.ravel_multi_index(tuple(places), tuple(self.shape)).astype(np.int64))
    return SparseTensor(indices, self.reshape(-1).index_select(0, flat), self.shape, True)


def mm(mat1: Any, mat2: Any) -> Any:
    """Multiply two matrices, of which the first, the second or both may be sparse; or a matrix and a vector.

    Returns:
        a dense tensor.

    Raises:
        RuntimeError: shapes do not fit.
    """
    if isinstance(mat2, SparseTensor):
        if isinstance(mat1, SparseTensor):
            return mm(mat1, mat2.to_dense())
        return mm(mat2.t(), mat1.t()).t()
    if not isinstance(mat1, SparseTensor):
        return ops.matmul(mat1, mat2)
    if mat1.sparse_dim() != 2 or mat1.dense_dim() or mat2.ndim not in (1, 2):
        raise RuntimeError(f"mm: shapes {tuple(mat1.shape)} and {tuple(mat2.shape)} are no two matrices")
    if mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(f"mm: shapes {tuple(mat1.shape)} and {tuple(mat2.shape)} do not fit")
    if mat1.dtype is not mat2.dtype:
        raise RuntimeError(f"mm: dtypes {mat1.dtype} and {mat2.dtype} differ")
    rows, columns = mat1._indices()
    values = mat1._values()
    taken = mat2.index_select(0, columns)
    weighted = taken * (values if mat2.ndim == 1 else values.unsqueeze(1))
    result = _core.zeros((mat1.shape[0], *mat2.shape[1:]), dtype=mat2.dtype)
    return _add_rows(result, rows, weighted)


def spmm(mat1: Any, mat2: Any) -> Any:
    """Multiply two matrices, of which one may be sparse; see ``mm``."""
    return mm(mat1, mat2)


def addmm(mat: Tensor, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """Give ``beta * mat + alpha * (mat1 @ mat2)``."""
    product: Tensor = mm(mat1, mat2) * alpha
    return product + mat * beta


def log_softmax(input: SparseTensor, dim: int, dtype: _core.dtype | None = None) -> SparseTensor:
    """Give the logarithm of ``softmax``."""
    result: SparseTensor = softmax(input, dim, dtype, log=True)
    return result


def sum(input: SparseTensor, dim: int | None = None) -> Tensor:
    """Add up all elements, or one dimension."""
    total: Tensor = input.sum(dim)
    return total


def _typed(kind: _core.dtype) -> Any:
    def make(indices: Any, values: Any, size: Sequence[int] | None = None) -> SparseTensor:
        dtype = values.dtype if isinstance(values, Tensor) else kind
        return sparse_coo_tensor(indices, values, size, dtype=dtype)

    make.__doc__ = (
        f"Make a sparse tensor, of {kind} where ``values`` is no tensor with a dtype of its own; "
        "an older name of ``sparse_coo_tensor``."
    )
    return make


FloatTensor = _typed(_core.float32)
DoubleTensor = _typed(_core.float64)
LongTensor = _typed(_core.int64)


def _of_values(function: Any) -> Any:
    """Apply a function that keeps zero to what is stored."""

    def apply(input: SparseTensor) -> SparseTensor:
        whole = input.coalesce()
        return whole._with(function(whole._values()))

    return apply


def _method(name: str) -> Any:
    return lambda input, *args, **kwargs: getattr(input, name)(*args, **kwargs)


# Methods that convert the values.
_CONVERSIONS = ("bfloat16", "bool", "char", "half", "int", "long", "short")

_KEEPING_ZERO: tuple[str, ...] = (
    "abs",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "expm1",
    "floor",
    "log1p",
    "neg",
    "relu",
)
_KEEPING_ZERO += ("round", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc")

# What operations on dense tensors do with a sparse one.
_FUNCTIONS: dict[str, Any] = {
    "mm": mm,
    "matmul": mm,
    "mv": mm,
    "addmm": addmm,
    "add": add,
    "sub": sub,
    "mul": lambda input, other: input * other,
    "div": lambda input, other: input / other,
    "pow": lambda input, exponent: input**exponent,
    "cat": cat,
    "concat": cat,
    "stack": stack,
    **{name: _method(name) for name in ("sum", "t", "transpose", "clone", "detach")},
    **{name: _method(name) for name in ("index_select", "select", "unsqueeze")},
    **{name: _of_values(getattr(ops, name)) for name in _KEEPING_ZERO},
}
