"""Norms of vectors and matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from unspool._arguments import require_tensor
from unspool._core import Tensor, dtype, hidden
from unspool._core.linalg import vector_norm
from unspool._functions.out import into
from unspool.linalg._checks import check_matrix

__all__ = ["matrix_norm", "norm"]

F = TypeVar("F", bound=Callable[..., Any])
_NUMPYS_NAMES = {"axis": "dim", "keepdims": "keepdim"}
_MATRIX_ORDERS = (2, -2, 1, -1, float("inf"), float("-inf"))


def _with_numpys_names(function: F) -> F:
    """Take the arguments ``dim`` and ``keepdim`` under NumPy's names too."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for theirs in _NUMPYS_NAMES.keys() & kwargs.keys():
            kwargs[_NUMPYS_NAMES[theirs]] = kwargs.pop(theirs)
        return function(*args, **kwargs)

    return cast("F", call)


@_with_numpys_names
def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Any = None,
) -> Tensor:
    """Norms of the matrices in two dimensions.

    Args:
        A: at least 2 dimensions.
        ord: "fro" (root of the sum of squares), "nuc" (sum of singular values), 2 and -2 (largest and
            smallest singular value), inf and -inf (of row sums of magnitudes), 1 and -1 (of column sums).
        dim: the two dimensions: rows, columns.
        keepdim: keep them with size 1.
        dtype: converts A first.
        out: where to write the result.
    """
    check_matrix("linalg.matrix_norm", A)
    dims = [d % A.ndim if -A.ndim <= d < A.ndim else d for d in dim]
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {tuple(dim)}")
    for d in dims:
        if not 0 <= d < A.ndim:
            raise IndexError(f"linalg.matrix_norm: Dimension out of range: {d} for shape {tuple(A.shape)}")
    if dims[0] == dims[1]:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        A = A.to(dtype)
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    elif ord not in _MATRIX_ORDERS:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if ord == "fro":
        return into(out, vector_norm(A, 2, dims, keepdim))
    if ord in ("nuc", 2, -2):
        result = _of_singular_values(A.movedim(dims, (-2, -1)), ord)
    else:
        rows = abs(ord) == 1
        sums = A.abs().sum(dims[0] if rows else dims[1], keepdim=True)
        over = dims[1] if rows else dims[0]
        result = (
            (_largest(sums, over) if ord > 0 else sums.amin(over, True))
            .squeeze(dims[0])
            .squeeze(dims[1] - (1 if dims[0] < dims[1] else 0))
        )
    if keepdim:
        for d in sorted(dims):
            result = result.unsqueeze(d)
    return into(out, result)


def _of_singular_values(A: Tensor, ord: Any) -> Tensor:
    values = hidden.linalg_svd(A, False)[1]
    if ord == "nuc":
        return values.sum(-1)
    return _largest(values, -1).squeeze(-1) if ord == 2 else values.amin(-1)


def _largest(values: Tensor, dim: int) -> Tensor:
    """The largest along ``dim``, which is kept: 0 where there is none, because they are magnitudes."""
    return values.amax(dim, True) if values.shape[dim] else values.sum(dim, True)


@_with_numpys_names
def norm(
    A: Tensor,
    ord: Any = None,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    out: Any = None,
    dtype: dtype | None = None,
) -> Tensor:
    """A vector norm or a matrix norm.

    Args:
        A: any shape.
        ord: None is the 2-norm of all elements of ``dim``. Otherwise two dimensions (``dim``, or those of a
            matrix) ask for ``matrix_norm`` and one for ``vector_norm``.
        dim: one or two dimensions, or None.
        keepdim: keep them with size 1.
        out: where to write the result.
        dtype: converts A first.
    """
    require_tensor("A", A, "linalg.norm")
    dims = [dim] if isinstance(dim, int) else None if dim is None else list(dim)
    if ord is not None:
        if dims is not None and len(dims) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dims}")
        if dims is None and A.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
            )
        if (2 if dims is None and A.ndim == 2 else len(dims or [0])) == 2:
            return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype, out=out)
        if isinstance(ord, str):
            raise RuntimeError(f"linalg.norm: Order {ord} not supported for vectors; it needs two dimensions")
    elif not isinstance(A, Tensor):
        raise TypeError(f"linalg.norm(): argument 'A' must be Tensor, not {type(A).__name__}")
    return into(out, vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype))
