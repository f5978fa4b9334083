"""Cholesky, LU and QR decompositions, and solutions of linear systems by them."""

from __future__ import annotations

from typing import Any, NamedTuple

import unspool
from unspool._arguments import require_tensor
from unspool._core import Tensor, hidden
from unspool._functions.out import into
from unspool.linalg._checks import check_info, check_matrix, check_same_dtype, check_square

__all__ = [
    "cholesky",
    "cholesky_ex",
    "det",
    "inv",
    "inv_ex",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
]

_INDEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the leading "
    "minor of "
    "order {i} is not positive-definite)."
)
_SINGULAR = (
    "The diagonal element {i} is zero, the inversion could not be completed because the input matrix is "
    "singular."
)


class linalg_cholesky_ex(NamedTuple):
    """The factor, and per matrix 0 or the order of the leading minor that is not positive."""

    L: Tensor
    info: Tensor


class linalg_inv_ex(NamedTuple):
    """The inverse, and per matrix 0 or the place of the first zero pivot."""

    inverse: Tensor
    info: Tensor


class linalg_solve_ex(NamedTuple):
    """The solution, and per matrix 0 or the place of the first zero pivot."""

    result: Tensor
    info: Tensor


class linalg_lu_factor(NamedTuple):
    """U with L below its diagonal, and the swaps of rows, counted from 1."""

    LU: Tensor
    pivots: Tensor


class linalg_lu_factor_ex(NamedTuple):
    """The same, and per matrix 0 or the place of the first zero pivot."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


class linalg_lu(NamedTuple):
    """Permutation, unit lower triangle and upper triangle, whose product is the matrix."""

    P: Tensor
    L: Tensor
    U: Tensor


class linalg_qr(NamedTuple):
    """Orthonormal columns and an upper triangle, whose product is the matrix."""

    Q: Tensor
    R: Tensor


class linalg_slogdet(NamedTuple):
    """Sign of the determinant and logarithm of its magnitude."""

    sign: Tensor
    logabsdet: Tensor


def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> linalg_cholesky_ex:
    """Cholesky factors of (..., n, n) matrices, of which the lower (``upper``: the upper) triangle is read.

    Raises LinAlgError only with ``check_errors``; ``info`` says which matrices are not positive-definite.
    """
    check_square("linalg.cholesky", A)
    factor, info = hidden.linalg_cholesky(A.mT if upper else A)
    if check_errors:
        check_info("linalg.cholesky_ex", info, _INDEFINITE)
    result = linalg_cholesky_ex(factor.mT if upper else factor, info)
    return into(out, result)


def cholesky(A: Tensor, *, upper: bool = False, out: Any = None) -> Tensor:
    """L with L Lᵀ = A (``upper``: U with Uᵀ U = A) of symmetric positive-definite (..., n, n) matrices.

    Raises:
        LinAlgError: a matrix is not positive-definite.
    """
    factor, info = cholesky_ex(A, upper=upper)
    check_info("linalg.cholesky", info, _INDEFINITE)
    return into(out, factor)


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> linalg_inv_ex:
    """Inverses of (..., n, n) matrices; ``info`` says which are singular, ``check_errors`` raises."""
    check_square("linalg.inv", A)
    result = linalg_inv_ex(*hidden.linalg_inverse(A))
    if check_errors:
        check_info("linalg.inv_ex", result.info, _SINGULAR)
    return into(out, result)


def inv(A: Tensor, *, out: Any = None) -> Tensor:
    """Inverses of (..., n, n) matrices; LinAlgError where one is singular."""
    inverse, info = inv_ex(A)
    check_info("linalg.inv", info, _SINGULAR)
    return into(out, inverse)


def _broadcast_systems(name: str, A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    """A and B with equal batch dimensions, for A X = B."""
    check_square(name, A)
    check_matrix(name, B, "B")
    check_same_dtype(name, A, B)
    n = A.shape[-1]
    if B.shape[-2 if left else -1] != n:
        sides = "A X = B" if left else "X A = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {sides} ({A.shape[-2]}x{n} and "
            f"{B.shape[-2]}x{B.shape[-1]})"
        )
    if A.ndim == B.ndim == 2:
        return A, B
    batch = unspool.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:])


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether B holds one right side per matrix, instead of a matrix of them."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])


def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> linalg_solve_ex:
    """Solutions of A X = B (``left=False``: X A = B); ``info`` says which matrices are singular."""
    check_square("linalg.solve", A)
    check_same_dtype("linalg.solve", A, B)
    is_vector = _is_vector(A, B)
    if is_vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False."
        )
    a, b = _broadcast_systems("linalg.solve", A, B.unsqueeze(-1) if is_vector else B, left)
    if left:
        solution, info = hidden.linalg_solve(a, b)
    else:
        transposed, info = hidden.linalg_solve(a.mT, b.mT)
        solution = transposed.mT
    result = linalg_solve_ex(solution.squeeze(-1) if is_vector else solution, info)
    if check_errors:
        check_info("linalg.solve_ex", info, "The solver failed because the input matrix is singular.")
    return into(out, result)


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Any = None) -> Tensor:
    """Solutions of A X = B (``left=False``: X A = B).

    Args:
        A: (..., n, n).
        B: (..., n, k), or (..., n) with the same leading sizes as A for one right side per matrix.
        left: which side A stands on.
        out: where to write the result.

    Raises:
        LinAlgError: a matrix is singular.
    """
    result, info = solve_ex(A, B, left=left)
    check_info("linalg.solve", info, "The solver failed because the input matrix is singular.")
    return into(out, result)


def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Any = None,
) -> Tensor:
    """Solutions of A X = B (``left=False``: X A = B) for triangles A (..., n, n).

    The other triangle is not read. With ``unitriangular`` neither is the diagonal, which counts as ones. A
    zero on it gives infinities. B is converted to the dtype of A.
    """
    who = "linalg.solve_triangular"
    require_tensor("A", A, who)
    a, b = _broadcast_systems(who, A, require_tensor("B", B, who).to(A.dtype), left)
    if left:
        result = hidden.linalg_solve_triangular(a, b, upper, unitriangular)
    else:
        result = hidden.linalg_solve_triangular(a.mT, b.mT, not upper, unitriangular).mT
    return into(out, result)


def _check_pivot(name: str, pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> linalg_lu_factor_ex:
    """The compact LU decomposition of (..., m, n) matrices; ``info`` says which have a zero pivot."""
    check_matrix("linalg.lu_factor", A)
    _check_pivot("linalg.lu_factor", pivot)
    result = linalg_lu_factor_ex(*hidden.linalg_lu(A))
    if check_errors:
        _check_pivots("linalg.lu_factor_ex", result.info)
    return into(out, result)


def _check_pivots(name: str, info: Tensor) -> None:
    check_info(name, info, "U[{i},{i}] is zero and using it on lu_solve would result in a division by zero.")


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> linalg_lu_factor:
    """The compact LU decomposition of (..., m, n) matrices, for ``lu_solve``.

    Raises:
        LinAlgError: a pivot is zero.
    """
    LU, pivots, info = lu_factor_ex(A, pivot=pivot)
    _check_pivots("linalg.lu_factor", info)
    return into(out, linalg_lu_factor(LU, pivots))


def _permutation(pivots: Tensor, rows: int, dtype: Any) -> Tensor:
    """P of P L U, (..., rows, rows)."""
    order = hidden.linalg_rows_of_pivots(pivots, rows)
    # Row i of L U is row order[i] of the matrix: column i of P has its 1 there.
    return (unspool.arange(rows).unsqueeze(-1) == order.unsqueeze(-2)).to(dtype)


def unpack_lu(LU: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Permutation, lower and upper triangle of a compact decomposition."""
    m, n = LU.shape[-2:]
    k = min(m, n)
    lower = LU[..., :k].tril(-1) + unspool.eye(m, k, dtype=LU.dtype)
    return _permutation(pivots, m, LU.dtype), lower, LU[..., :k, :].triu()


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> linalg_lu:
    """P, L and U with P L U = A, for (..., m, n) matrices: L is (..., m, k), U (..., k, n), k = min(m, n)."""
    check_matrix("linalg.lu", A)
    _check_pivot("linalg.lu", pivot)
    LU, pivots, _ = hidden.linalg_lu(A)
    return into(out, linalg_lu(*unpack_lu(LU, pivots)))


def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False, out: Any = None
) -> Tensor:
    """Solutions of A X = B from the decomposition that ``lu_factor`` gave of A.

    Args:
        LU: (..., n, n).
        pivots: (..., n), int32.
        B: (..., n, k).
        left: False solves X A = B, where B is (..., k, n).
        adjoint: A is transposed.
        out: where to write the result.
    """
    require_tensor("pivots", pivots, "linalg.lu_solve")
    name = "linalg.lu_solve"
    if pivots.dtype != unspool.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of dtype int32")
    lu, b = _broadcast_systems(name, LU, B, left)
    if not left:
        b, adjoint = b.mT, not adjoint
    permutation = _permutation(pivots.expand(lu.shape[:-1]), lu.shape[-1], lu.dtype)
    if adjoint:
        x = hidden.linalg_solve_triangular(lu.mT, b, False, False)
        x = permutation @ hidden.linalg_solve_triangular(lu.mT, x, True, True)
    else:
        x = hidden.linalg_solve_triangular(lu, permutation.mT @ b, False, True)
        x = hidden.linalg_solve_triangular(lu, x, True, False)
    return into(out, x if left else x.mT)


def det(A: Tensor, *, out: Any = None) -> Tensor:
    """Determinants of (..., n, n) matrices. The derivative is not finite at singular ones."""
    check_square("linalg.det", A)
    return into(out, hidden.linalg_det(A))


def slogdet(A: Tensor, *, out: Any = None) -> linalg_slogdet:
    """Signs and logarithms of the magnitudes of determinants; 0 and -inf for singular matrices."""
    check_square("linalg.slogdet", A)
    return into(out, linalg_slogdet(*hidden.linalg_slogdet(A)))


def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> linalg_qr:
    """Q with orthonormal columns and R upper triangular, Q R = A, for (..., m, n) matrices.

    Args:
        A: the matrices.
        mode: "reduced": Q is (..., m, k) with k = min(m, n); "complete": (..., m, m); "r": Q is empty.
        out: where to write the results.
    """
    check_matrix("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"linalg.qr: Received unrecognized mode '{mode}' but expected one of 'reduced', 'r', or "
            f"'complete'"
        )
    if mode == "r":
        if A.requires_grad and unspool.is_grad_enabled():
            raise RuntimeError(
                "linalg.qr: The derivative of qr depends on Q, which mode='r' does not compute; use "
                "mode='reduced'"
            )
        result = linalg_qr(unspool.empty(0, dtype=A.dtype), hidden.linalg_qr(A, False)[1])
    else:
        result = linalg_qr(*hidden.linalg_qr(A, mode == "complete"))
    return into(out, result)
