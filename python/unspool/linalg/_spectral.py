"""Eigenvalues, singular values, and what follows: pseudo-inverse, rank, condition, least squares."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import unspool
from unspool._core import Tensor, hidden
from unspool._functions.out import into, with_out
from unspool.linalg._checks import LinAlgError, check_matrix, check_same_dtype, check_square
from unspool.linalg._norms import matrix_norm

__all__ = [
    "cond",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "lstsq",
    "matrix_rank",
    "pinv",
    "svd",
    "svdvals",
]


class linalg_eigh(NamedTuple):
    """Eigenvalues, ascending, and eigenvectors in columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class linalg_svd(NamedTuple):
    """Left singular vectors in columns, singular values, descending, and right singular vectors in rows."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class linalg_lstsq(NamedTuple):
    """Solution, squared residuals, ranks, and singular values (empty where the driver does not give them)."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def _converged(name: str, operation: Any, *args: Any) -> Any:
    try:
        return operation(*args)
    except RuntimeError as error:
        if "converge" not in str(error):
            raise
        raise LinAlgError(
            f"{name}: The algorithm failed to converge because the input matrix contained non-finite "
            f"values or is "
            f"ill-conditioned ({error})"
        ) from None


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> linalg_eigh:
    """Eigenvalues and eigenvectors of symmetric (..., n, n) matrices, of which the triangle ``UPLO`` is read.

    Eigenvectors are unique up to their sign, so only functions that do not depend on it have a derivative.

    Raises:
        LinAlgError: no convergence.
    """
    check_square("linalg.eigh", A)
    if not isinstance(UPLO, str):
        raise TypeError(f"linalg.eigh(): argument 'UPLO' must be str, not {type(UPLO).__name__}")
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return into(out, linalg_eigh(*_converged("linalg.eigh", hidden.linalg_eigh, A, UPLO.upper() == "U")))


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Tensor:
    """Eigenvalues, ascending, of symmetric (..., n, n) matrices."""
    return into(out, eigh(A, UPLO).eigenvalues)


def _refuse_complex(name: str) -> NoReturn:
    raise NotImplementedError(
        f"linalg.{name}: eigenvalues of a general matrix are complex, and there are no complex tensors; "
        f"for symmetric "
        f"matrices use linalg.{'eigh' if name == 'eig' else 'eigvalsh'}"
    )


def eig(A: Tensor, *, out: Any = None) -> NoReturn:
    """Raises NotImplementedError: the results are complex."""
    del A, out
    _refuse_complex("eig")


def eigvals(A: Tensor, *, out: Any = None) -> NoReturn:
    """Raises NotImplementedError: the results are complex."""
    del A, out
    _refuse_complex("eigvals")


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> linalg_svd:
    """U, S and Vh with U diag(S) Vh = A, for (..., m, n) matrices.

    Args:
        A: the matrices.
        full_matrices: U is (..., m, m) and Vh (..., n, n), instead of k = min(m, n) columns and rows. The
            added vectors have no derivative.
        driver: for CUDA only, so None.
        out: where to write the results.

    Raises:
        LinAlgError: no convergence, because elements are not finite.
    """
    check_matrix("linalg.svd", A)
    if driver is not None:
        raise RuntimeError("linalg.svd: keyword argument `driver=` is only supported on CUDA inputs")
    return into(out, linalg_svd(*_converged("linalg.svd", hidden.linalg_svd, A, full_matrices)))


def svdvals(A: Tensor, *, driver: str | None = None, out: Any = None) -> Tensor:
    """Singular values, descending, of (..., m, n) matrices."""
    return into(out, svd(A, False, driver=driver).S)


def _tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Absolute and relative tolerance, with the defaults of NumPy for what is not given."""
    if rtol is None:
        default = unspool.finfo(A.dtype).eps * max(A.shape[-2:])
        has_atol = atol is not None and (isinstance(atol, Tensor) or atol > 0)
        # A tensor of absolute tolerances switches the relative one off where it is positive.
        if isinstance(atol, Tensor):
            rtol = unspool.where(atol > 0, 0.0, default)
        else:
            rtol = 0.0 if has_atol else default
    return (0.0 if atol is None else atol), rtol


def _symmetric(A: Tensor) -> Tensor:
    """A symmetric matrix from the lower triangle."""
    return A.tril() + A.tril(-1).mT


def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Any = None,
) -> Tensor:
    """Pseudo-inverses (Moore and Penrose), (..., n, m), of (..., m, n) matrices.

    Args:
        A: the matrices.
        rcond: the older name of ``rtol``.
        hermitian: A is symmetric, and its lower triangle is read.
        atol: singular values up to max(atol, rtol * the largest) count as 0; a number or one per matrix.
        rtol: epsilon * max(m, n) by default, or 0 where ``atol`` is positive.
        out: where to write the result.
    """
    check_matrix("linalg.pinv", A)
    if hermitian:
        check_square("linalg.pinv", A)
        A = _symmetric(A)
    atol, rtol = _tolerances(A, atol, rcond if rtol is None else rtol)
    if all(not isinstance(value, Tensor) or value.numel() == 1 for value in (atol, rtol)):
        return into(out, _converged("linalg.pinv", hidden.linalg_pinv, A, float(atol), float(rtol)))
    if A.numel() == 0:
        return into(out, A.mT.clone())
    u, s, vh = svd(A, False)
    bound = unspool.maximum(
        *(unspool.as_tensor(value, dtype=A.dtype).expand(A.shape[:-2]) for value in (atol, rtol * s[..., 0]))
    )
    inverses = unspool.where(s > bound.unsqueeze(-1), 1 / s, 0.0)
    return into(out, (vh.mT * inverses.unsqueeze(-2)) @ u.mT)


def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Any = None,
) -> Tensor:
    """Number of singular values above max(atol, rtol * the largest), int64, of (..., m, n) matrices.

    ``tol`` is the older name of ``atol``; with ``hermitian`` only the lower triangle is read. Without
    tolerances ``rtol`` is epsilon * max(m, n).
    """
    check_matrix("linalg.matrix_rank", A)
    if tol is not None:
        atol, rtol = tol, 0.0
    with unspool.no_grad():
        s = eigvalsh(A).abs() if hermitian else svdvals(A)
        if s.shape[-1] == 0:
            return into(out, unspool.zeros(A.shape[:-2], dtype=unspool.int64))
        atol, rtol = _tolerances(A, atol, rtol)
        relative = rtol * s.amax(-1)
        bound = unspool.maximum(unspool.as_tensor(atol, dtype=s.dtype), relative)
        return into(out, (s > bound.unsqueeze(-1)).sum(-1))


def cond(A: Tensor, p: Any = None, *, out: Any = None) -> Tensor:
    """Norm of the matrix times norm of its inverse; p is None (2), 'fro', 'nuc', ±inf, ±1 or ±2."""
    check_matrix("linalg.cond", A)
    if p is None or p in (2, -2):
        s = svdvals(A)
        if s.shape[-1] == 0:
            return into(out, unspool.zeros(A.shape[:-2], dtype=A.dtype))
        return into(out, s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1])
    check_square("linalg.cond", A)
    if A.numel() == 0:
        return into(out, unspool.zeros(A.shape[:-2], dtype=A.dtype))
    inverse, info = hidden.linalg_inverse(A)
    result = matrix_norm(A, p) * matrix_norm(inverse, p)
    return into(out, unspool.where(info != 0, float("inf"), result))


def _by_reflections(A: Tensor, b: Tensor, rtol: float) -> Tensor | None:
    """Least squares by QR, where no singular value can count as 0; None where one might.

    With A = Q R, the product of the Frobenius norms of R and of its inverse is at least the largest singular
    value over the smallest.
    """
    n = A.shape[-1]
    if A.shape[-2] < n or A.numel() == 0:
        return None
    q, r = hidden.linalg_qr(A, False)
    with unspool.no_grad():
        identity = unspool.eye(n, dtype=A.dtype)
        identity = identity if r.ndim == 2 else identity.expand(r.shape)
        inverse = hidden.linalg_solve_triangular(r, identity, True, False)
        ratio = hidden.norm2(r, (-2, -1)) * hidden.norm2(inverse, (-2, -1)) * (2 * rtol)
        if not bool((ratio < 1).all()):
            return None
    projected = q.mT @ b
    if r.ndim > 2 or b.ndim > 2:
        batch = unspool.broadcast_shapes(r.shape[:-2], b.shape[:-2])
        r, projected = r.expand(*batch, n, n), projected.expand(*batch, *projected.shape[-2:])
    return hidden.linalg_solve_triangular(r, projected, True, False)


@with_out
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> linalg_lstsq:
    """X of least norm that makes |A X - B| least, for (..., m, n) matrices and (..., m, k) right sides.

    Args:
        A: the matrices.
        B: right sides; (..., m) for one per matrix.
        rcond: singular values up to rcond * the largest count as 0; epsilon * max(m, n) by default.
        driver: "gels", "gelsy" (the default), "gelsd" or "gelss". They differ in what else they give: "gels"
            no ranks, the last two the singular values. The default uses Householder reflections for matrices
            that are far from losing rank; all others use singular values.
    """
    check_matrix("linalg.lstsq", A)
    check_same_dtype("linalg.lstsq", A, B)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}"
        )
    is_vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    b = B.unsqueeze(-1) if is_vector else B
    if b.ndim < 2 or b.shape[-2] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.lstsq: A.size(-2) should match B.size({'-1' if is_vector else '-2'}), got "
            f"{tuple(A.shape)} and "
            f"{tuple(B.shape)}"
        )
    m, n = A.shape[-2:]
    rtol = unspool.finfo(A.dtype).eps * max(m, n) if rcond is None else rcond
    direct = _by_reflections(A, b, rtol) if driver in (None, "gelsy") else None
    solution = pinv(A, rtol=rtol) @ b if direct is None else direct
    if driver == "gels":
        rank = unspool.empty(0, dtype=unspool.int64)
    elif direct is None:
        rank = matrix_rank(A, rtol=rtol)
    else:
        rank = unspool.full(A.shape[:-2], n, dtype=unspool.int64)
    residuals, values = solution.flatten()[:0], unspool.empty(0, dtype=A.dtype)
    gives_residuals = m > n and driver not in (None, "gelsy")
    if gives_residuals and (driver == "gels" or bool((rank == n).all())):
        residuals = (A @ solution - b).square().sum(-2)
    if driver in ("gelsd", "gelss"):
        values = svdvals(A)
    return linalg_lstsq(solution.squeeze(-1) if is_vector else solution, residuals, rank, values)
