"""Reflections by which QR decompositions are kept, and decompositions of low rank by random projection."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import unspool
from unspool._core import Tensor
from unspool._functions.out import into
from unspool.linalg._checks import check_matrix, check_same_dtype
from unspool.linalg._factor import qr
from unspool.linalg._spectral import svd

__all__ = ["geqrf", "ormqr", "pca_lowrank", "svd_lowrank"]


class geqrf_result(NamedTuple):
    """R with the reflections' vectors below its diagonal, and the reflections' factors."""

    a: Tensor
    tau: Tensor


def geqrf(input: Tensor, *, out: Any = None) -> geqrf_result:
    """The QR decomposition of (..., m, n) matrices as LAPACK keeps it, for ``ormqr``; not differentiable.

    Q is the product of reflections, whose vectors stand below R; see ``linalg.householder_product``.
    """
    check_matrix("geqrf", input, "input")
    if input.requires_grad and unspool.is_grad_enabled():
        raise NotImplementedError("geqrf: the derivative is not implemented; use linalg.qr")
    m, n = input.shape[-2:]
    if input.numel() == 0:
        tau = input.new_zeros([*input.shape[:-2], min(m, n)])
        return into(out, geqrf_result(input.clone(), tau))
    transposed, factors = np.linalg.qr(input.detach().numpy(), mode="raw")
    # NumPy gives float64 for any input.
    a = unspool.from_numpy(np.ascontiguousarray(np.swapaxes(transposed, -1, -2))).to(input.dtype)
    tau = unspool.from_numpy(np.ascontiguousarray(factors)).to(input.dtype)
    return into(out, geqrf_result(a, tau))


def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False, *, out: Any = None
) -> Tensor:
    """Q times ``other``, where Q (m by m) is the product of the reflections that ``geqrf`` gives.

    Args:
        input: (..., m, k): the vectors below the diagonal.
        tau: (..., k), k at most m: the factors.
        other: (..., m, n), or (..., n, m) without ``left``.
        left: Q stands on the left.
        transpose: Q is transposed.
        out: where to write the result.

    Raises:
        RuntimeError: shapes or dtypes that do not go together.
    """
    check_matrix("ormqr", input, "input")
    check_matrix("ormqr", other, "other")
    for name, tensor in (("tau", tau), ("other", other)):
        check_same_dtype("ormqr", input, tensor, name)
    m, k = input.shape[-2], tau.shape[-1] if tau.ndim else -1
    if tau.ndim != input.ndim - 1 or not 0 <= k <= min(m, input.shape[-1]):
        raise RuntimeError(f"ormqr: tau {tuple(tau.shape)} does not fit input {tuple(input.shape)}")
    if input.shape[:-2] != tau.shape[:-1] or input.shape[:-2] != other.shape[:-2]:
        raise RuntimeError(
            f"ormqr: input {tuple(input.shape)}, tau {tuple(tau.shape)} and other {tuple(other.shape)} must "
            "have the same batch dimensions"
        )
    if other.shape[-2 if left else -1] != m:
        raise RuntimeError(
            f"ormqr: other {tuple(other.shape)} must have {m} {'rows' if left else 'columns'}, as input "
            f"{tuple(input.shape)} has rows"
        )
    # X Q = (Qᵀ Xᵀ)ᵀ.
    result, forward = (other, transpose) if left else (other.mT, not transpose)
    vectors = input.tril(-1) + unspool.eye(m, input.shape[-1], dtype=input.dtype)
    for i in range(k) if forward else range(k - 1, -1, -1):
        v = vectors[..., i : i + 1]
        result = result - tau[..., i, None, None] * (v @ (v.mT @ result))
    return into(out, result if left else result.mT)


def _range_of(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """An orthonormal basis, (..., m, q), of nearly the range of A - M (Halko et al. 2009, algorithm 4.4)."""

    def times(X: Tensor) -> Tensor:
        return A @ X if M is None else A @ X - M @ X

    def transposed_times(X: Tensor) -> Tensor:
        return A.mT @ X if M is None else A.mT @ X - M.mT @ X

    basis = qr(times(unspool.randn(A.shape[-1], q, dtype=A.dtype))).Q
    for _ in range(niter):
        basis = qr(times(qr(transposed_times(basis)).Q)).Q
    return basis


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and V of a matrix that nearly has rank ``q``, by random projection: A is close to U diag(S) Vᵀ.

    Args:
        A: (..., m, n).
        q: the rank, a little more than what is expected.
        niter: rounds that sharpen the projection.
        M: subtracted from A, of a shape that broadcasts to A's.

    Returns:
        U (..., m, q), S (..., q), descending, and V (..., n, q).
    """
    check_matrix("svd_lowrank", A)
    rank, rounds = 6 if q is None else q, 2 if niter is None else niter
    if not 0 <= rank <= min(A.shape[-2:]):
        raise ValueError(f"svd_lowrank: q must be at most the smaller size of {tuple(A.shape)}, got {rank}")
    if rounds < 0:
        raise ValueError(f"svd_lowrank: niter must not be negative, got {rounds}")
    shift = None if M is None else M.broadcast_to(A.shape)
    # The wider side is projected.
    is_wide = A.shape[-2] < A.shape[-1]
    if is_wide:
        A, shift = A.mT, None if shift is None else shift.mT
    basis = _range_of(A, rank, rounds, shift)
    small = basis.mT @ A if shift is None else basis.mT @ A - basis.mT @ shift
    U, S, Vh = svd(small, full_matrices=False)
    left, right = basis @ U, Vh.mT
    return (right, S, left) if is_wide else (left, S, right)


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of samples in rows, by ``svd_lowrank`` of the centred matrix.

    Args:
        A: (..., m, n): m samples of n features.
        q: the number of components; min(6, m, n) by default.
        center: subtract each feature's mean first.
        niter: rounds that sharpen the projection.

    Returns:
        U (..., m, q), S (..., q) and V (..., n, q), whose columns are the components.
    """
    check_matrix("pca_lowrank", A)
    m, n = A.shape[-2:]
    rank = min(6, m, n) if q is None else q
    if not 0 <= rank <= min(m, n):
        raise ValueError(f"pca_lowrank: q must be at most the smaller size of {tuple(A.shape)}, got {rank}")
    if niter < 0:
        raise ValueError(f"pca_lowrank: niter must not be negative, got {niter}")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, rank, niter)
