"""LDLᵀ of symmetric matrices that need not be definite, with the pivots of Bunch and Kaufman (1977).

Kept as LAPACK does: columns of L below the diagonal, D (of blocks of 1 or 2) on and next to it, and per row
the row it was swapped with, counted from 1 and negative for blocks of 2. Not differentiable.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import unspool
from unspool._arguments import require_tensor
from unspool._core import Tensor
from unspool._functions.out import into
from unspool.linalg._checks import LinAlgError, check_matrix, check_same_dtype, check_square

__all__ = ["ldl_factor", "ldl_factor_ex", "ldl_solve"]

Array = np.ndarray[Any, np.dtype[Any]]

# Bounds the growth of the elements best.
_ALPHA = (1 + math.sqrt(17)) / 8


class linalg_ldl_factor(NamedTuple):
    """L and D in one matrix, and the swaps of rows."""

    LD: Tensor
    pivots: Tensor


class linalg_ldl_factor_ex(NamedTuple):
    """The same, and per matrix 0 or the place of the first zero on D's diagonal."""

    LD: Tensor
    pivots: Tensor
    info: Tensor


def _refuse_gradient(name: str, *tensors: Tensor) -> None:
    if unspool.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise NotImplementedError(f"linalg.{name}: the derivative is not implemented; use linalg.solve")


def _choose(a: Array, k: int) -> tuple[int, int]:
    """The size of the block at k, and the row to bring to its end; (0, k) where the column is zero."""
    here = abs(a[k, k])
    below = np.abs(a[k + 1 :, k])
    largest = below.max(initial=0.0)
    if max(here, largest) == 0:
        return 0, k
    if here >= _ALPHA * largest:
        return 1, k
    row = k + 1 + int(below.argmax())
    others = max(np.abs(a[row, k:row]).max(), np.abs(a[row + 1 :, row]).max(initial=0.0))
    if here >= _ALPHA * largest * (largest / others):
        return 1, k
    return (1 if abs(a[row, row]) >= _ALPHA * others else 2), row


def _swap(a: Array, k: int, first: int, second: int) -> None:
    """Exchange two rows and columns, second > first >= k, of the lower triangle from k on."""
    a[second + 1 :, [first, second]] = a[second + 1 :, [second, first]]
    between = slice(first + 1, second)
    a[between, first], a[second, between] = a[second, between].copy(), a[between, first].copy()
    a[[first, second], [first, second]] = a[[second, first], [second, first]]
    if first > k:
        a[[first, second], k] = a[[second, first], k]


def _factor(a: Array) -> tuple[Array, int]:
    """Factor a symmetric matrix in place from its lower triangle; give the pivots and info."""
    n = len(a)
    pivots, info, k = np.zeros(n, dtype=np.int32), 0, 0
    while k < n:
        size, row = _choose(a, k)
        if size == 0:
            info = info or k + 1
            size, pivots[k] = 1, k + 1
            k += size
            continue
        last = k + size - 1
        if row != last:
            _swap(a, k, last, row)
        pivots[k : last + 1] = row + 1 if size == 1 else -(row + 1)
        rest = a[last + 1 :, k : last + 1].copy()
        block = np.tril(a[k : last + 1, k : last + 1])
        block = block + np.tril(block, -1).T
        columns = rest / block[0, 0] if size == 1 else np.linalg.solve(block, rest.T).T
        a[last + 1 :, last + 1 :] -= np.tril(columns @ rest.T)
        a[last + 1 :, k : last + 1] = columns
        k += size
    a[...] = np.tril(a)
    return pivots, info


def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> linalg_ldl_factor_ex:
    """The LDLᵀ decomposition of (..., n, n) matrices, of which the lower triangle is read.

    Args:
        A: the matrices.
        hermitian: makes no difference for real matrices.
        check_errors: raise LinAlgError where D has a zero on its diagonal; ``info`` says where in any case.
        out: where to write the results.
    """
    del hermitian
    check_square("linalg.ldl_factor", A)
    _refuse_gradient("ldl_factor", A)
    factors = A.detach().numpy().copy()
    pivots, info = np.zeros(A.shape[:-1], dtype=np.int32), np.zeros(A.shape[:-2], dtype=np.int32)
    for place in np.ndindex(*A.shape[:-2]):
        pivots[place], info[place] = _factor(factors[place])
    result = linalg_ldl_factor_ex(*(unspool.from_numpy(np.asarray(x)) for x in (factors, pivots, info)))
    if check_errors:
        _check(result.info)
    return into(out, result)


def _check(info: Tensor) -> None:
    if bool((info != 0).any()):
        raise LinAlgError("linalg.ldl_factor: D has a zero on its diagonal, because the matrix is singular")


def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> linalg_ldl_factor:
    """The LDLᵀ decomposition of (..., n, n) matrices, for ``ldl_solve``; the lower triangle is read.

    Raises:
        LinAlgError: D has a zero on its diagonal.
        NotImplementedError: A requires grad.
    """
    LD, pivots, info = ldl_factor_ex(A, hermitian=hermitian)
    _check(info)
    return into(out, linalg_ldl_factor(LD, pivots))


def _blocks(pivots: Array) -> list[tuple[slice, int, int]]:
    """Each block of D with its last row and the one that was swapped with that."""
    found, k = [], 0
    while k < len(pivots):
        size = 1 if pivots[k] > 0 else 2
        found.append((slice(k, k + size), k + size - 1, abs(int(pivots[k])) - 1))
        k += size
    return found


def _solve(a: Array, pivots: Array, x: Array) -> None:
    """Solve in place."""
    blocks = _blocks(pivots)
    for block, last, row in blocks:
        x[[last, row]] = x[[row, last]]
        x[last + 1 :] -= a[last + 1 :, block] @ x[block]
        d = np.tril(a[block, block])
        x[block] = np.linalg.solve(d + np.tril(d, -1).T, x[block])
    for block, last, row in reversed(blocks):
        x[block] -= a[last + 1 :, block].T @ x[last + 1 :]
        x[[last, row]] = x[[row, last]]


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Any = None) -> Tensor:
    """Solutions of A X = B from the decomposition that ``ldl_factor`` gave of A.

    Args:
        LD: (..., n, n).
        pivots: (..., n), int32 or int64.
        B: (..., n, k); batch dimensions broadcast.
        hermitian: makes no difference for real matrices.
        out: where to write the result.

    Raises:
        RuntimeError: shapes or dtypes that do not go together, or pivots that are no swaps of rows.
        NotImplementedError: an argument requires grad.
    """
    require_tensor("pivots", pivots, "linalg.ldl_solve")
    del hermitian
    name = "linalg.ldl_solve"
    check_square(name, LD, "LD")
    check_matrix(name, B, "B")
    check_same_dtype(name, LD, B)
    n = LD.shape[-1]
    if pivots.is_floating_point() or tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"{name}: pivots must be integers of shape {tuple(LD.shape[:-1])}, got {pivots.dtype} "
            f"{tuple(pivots.shape)}"
        )
    if B.shape[-2] != n:
        raise RuntimeError(f"{name}: B {tuple(B.shape)} must have as many rows as LD {tuple(LD.shape)}")
    _refuse_gradient("ldl_solve", LD, B)
    swaps = pivots.numpy()
    pairs_end = [bool((row < 0).sum() % 2) for row in swaps.reshape(-1, n)] if n else []
    if n and (not ((np.abs(swaps) >= 1) & (np.abs(swaps) <= n)).all() or any(pairs_end)):
        raise RuntimeError(f"{name}: pivots must be rows from 1 to {n}, negative in pairs")
    batch = unspool.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    x = np.array(np.broadcast_to(B.detach().numpy(), (*batch, *B.shape[-2:])))
    factors = np.broadcast_to(LD.detach().numpy(), (*batch, n, n))
    rows = np.broadcast_to(swaps, (*batch, n))
    for place in np.ndindex(*batch):
        _solve(factors[place], rows[place], x[place])
    return into(out, unspool.from_numpy(x))
