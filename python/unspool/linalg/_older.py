"""The older names, found in ``unspool`` itself and, most of them, as methods of Tensor."""

from __future__ import annotations

from typing import Any, NamedTuple

import unspool
from unspool._core import Tensor, hidden
from unspool._functions.linear_algebra import FUNCTIONS
from unspool._functions.out import into
from unspool._tensor.asked_functions import offer as _offer
from unspool.linalg import _factor, _products, _spectral
from unspool.linalg._checks import check_same_dtype, check_square
from unspool.linalg._low_rank import geqrf as geqrf
from unspool.linalg._low_rank import ormqr as ormqr
from unspool.linalg._low_rank import pca_lowrank as pca_lowrank
from unspool.linalg._low_rank import svd_lowrank as svd_lowrank

__all__ = [*FUNCTIONS]


class svd_result(NamedTuple):
    """Left singular vectors, singular values, and right singular vectors, both in columns."""

    U: Tensor
    S: Tensor
    V: Tensor


class triangular_solve_result(NamedTuple):
    """The solution, and a copy of the triangle."""

    solution: Tensor
    cloned_coefficient: Tensor


class lu_unpack_result(NamedTuple):
    """Permutation, unit lower triangle and upper triangle."""

    P: Tensor
    L: Tensor
    U: Tensor


det = _factor.det
slogdet = _factor.slogdet
matrix_exp = _products.matrix_exp
matrix_power = _products.matrix_power


def orgqr(input: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """The product of Householder reflections; see ``linalg.householder_product``."""
    return _products.householder_product(input, tau, out=out)


def inverse(input: Tensor, *, out: Any = None) -> Tensor:
    """The inverse of square matrices; see ``linalg.inv``."""
    return _factor.inv(input, out=out)


def cholesky(input: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """The Cholesky factor; see ``linalg.cholesky``."""
    return _factor.cholesky(input, upper=upper, out=out)


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """Solutions of A X = input from the Cholesky factor of A."""
    check_square("cholesky_solve", L, "L")
    check_same_dtype("cholesky_solve", L, input, "input")
    lower = L.mT if upper else L
    half = _factor.solve_triangular(lower, input, upper=False)
    return into(out, _factor.solve_triangular(lower.mT, half, upper=True))


def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """The inverse of A from its Cholesky factor."""
    check_square("cholesky_inverse", L, "L")
    identity = unspool.eye(L.shape[-1], dtype=L.dtype)
    return into(out, cholesky_solve(identity.expand(L.shape), L, upper))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: NaN where that is negative, -inf where it is 0."""
    check_square("logdet", input, "input")
    sign, logarithm = hidden.linalg_slogdet(input)
    return unspool.where(sign < 0, float("nan"), logarithm)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudo-inverse; see ``linalg.pinv``."""
    return _spectral.pinv(input, rtol=rcond)


def qr(input: Tensor, some: bool = True, *, out: Any = None) -> _factor.linalg_qr:
    """The QR decomposition, reduced where ``some``; see ``linalg.qr``."""
    return _factor.qr(input, "reduced" if some else "complete", out=out)


def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> svd_result:
    """U, S and V with U diag(S) Vᵀ = input; U and V are zeros with ``compute_uv=False``."""
    u, s, vh = _spectral.svd(input, not some)
    if not compute_uv:
        m, n = input.shape[-2:]
        u, vh = input.new_zeros(*input.shape[:-2], m, m), input.new_zeros(*input.shape[:-2], n, n)
    return into(out, svd_result(u, s, vh.mT))


def lu(
    A: Tensor, pivot: bool = True, get_infos: bool = False, *, out: Any = None
) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]:
    """The compact LU decomposition and its pivots, and with ``get_infos`` the places of zero pivots."""
    factor = _factor.lu_factor_ex(A, pivot=pivot)
    result = tuple(factor) if get_infos else (factor.LU, factor.pivots)
    return into(out, result)


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Any = None) -> Tensor:
    """Solutions of A X = b from the LU decomposition of A; see ``linalg.lu_solve``."""
    return _factor.lu_solve(LU_data, LU_pivots, b, out=out)


def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> lu_unpack_result:
    """P, L and U of a compact decomposition; what is not asked for is empty."""
    p, lower, upper = _factor.unpack_lu(LU_data, LU_pivots)
    empty = LU_data.new_empty(0)
    data = (lower, upper) if unpack_data else (empty, empty)
    return into(out, lu_unpack_result(p if unpack_pivots else empty, *data))


def triangular_solve(
    b: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> triangular_solve_result:
    """X with A X = b (``transpose``: Aᵀ X = b) for triangles A; see ``linalg.solve_triangular``."""
    check_same_dtype("triangular_solve", A, b, "b")
    a = A.mT if transpose else A
    x = _factor.solve_triangular(a, b, upper=upper != transpose, unitriangular=unitriangular)
    return into(out, triangular_solve_result(x, A.clone()))


def chain_matmul(*matrices: Tensor, out: Any = None) -> Tensor:
    """The product of matrices; see ``linalg.multi_dot``."""
    if len(matrices) == 1:
        return into(out, matrices[0])
    return _products.multi_dot(matrices, out=out)


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Any = None) -> Tensor:
    """Cross products along ``dim``, by default the first dimension of size 3; see ``linalg.cross``."""
    if dim is None:
        threes = [d for d, size in enumerate(input.shape) if size == 3]
        if not threes:
            raise RuntimeError(f"cross: no dimension of size 3 in input, got shape {tuple(input.shape)}")
        dim = threes[0]
    return _products.cross(input, other, dim=dim, out=out)


_offer(globals(), FUNCTIONS)
