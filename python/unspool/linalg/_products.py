"""Products and powers of matrices, and functions that are made of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import unspool
from unspool._arguments import require_one_dtype, require_tensor, require_tensors
from unspool._core import Tensor, hidden, ops
from unspool._functions.out import into
from unspool.linalg._checks import LinAlgError, check_matrix, check_same_dtype, check_square
from unspool.linalg._factor import inv, solve

__all__ = [
    "cross",
    "diagonal",
    "householder_product",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "multi_dot",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
]


def matmul(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The matrix product; see ``unspool.matmul``."""
    return into(out, ops.matmul(input, other))


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view."""
    require_tensor("A", A, "linalg.diagonal")
    return A.diagonal(offset, dim1, dim2)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """Inner products along ``dim``, with broadcasting."""
    require_one_dtype("linalg.vecdot", x=x, y=y)
    return into(out, (x * y).sum(dim))


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """Cross products of vectors of 3 elements along ``dim``, with broadcasting."""
    require_one_dtype("linalg.cross", input=input, other=other)
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions; got {input.ndim} and {other.ndim}"
        )
    if input.ndim == 0 or input.shape[dim] != 3 or other.shape[dim] != 3:
        sizes = [1 if x.ndim == 0 else x.shape[dim] for x in (input, other)]
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}"
        )
    if input.shape != other.shape:
        shape = unspool.broadcast_shapes(input.shape, other.shape)
        input, other = input.expand(shape), other.expand(shape)
    return into(out, hidden.cross_product(input, other, dim))


def _constant_of(A: Tensor, value: Tensor) -> Tensor:
    """The value in A's shape, as a function of A whose gradient is 0."""
    return unspool.where(unspool.zeros((), dtype=unspool.bool), A, value)


def matrix_power(A: Tensor, n: int, *, out: Any = None) -> Tensor:
    """The n-th power of square matrices by repeated squaring; negative powers are those of the inverse."""
    require_tensor("A", A, "linalg.matrix_power")
    n = operator.index(n)
    if n < 0 or A.is_floating_point():
        check_square("linalg.matrix_power", A)
    elif A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, got shape {tuple(A.shape)}"
        )
    if n < 0:
        A, n = inv(A), -n
    if n == 0:
        return into(out, _constant_of(A, unspool.eye(A.shape[-1], dtype=A.dtype)))
    result: Tensor | None = None
    while True:
        if n % 2:
            result = A if result is None else result @ A
        n //= 2
        if n == 0:
            break
        A = A @ A
    assert result is not None
    return into(out, result.clone() if result is A else result)


def matrix_exp(A: Tensor) -> Tensor:
    """exp(A) of square matrices by scaling and squaring of the Taylor polynomial of degree 18.

    A is halved until the polynomial is exact to the precision of the elements (1-norms from Bader, Blanes and
    Casas 2019, table 1) and no further, because every squaring doubles the rounding error.
    """
    check_square("linalg.matrix_exp", A)
    if A.numel() == 0:
        return A.clone()
    with unspool.no_grad():
        largest = A.abs().sum(-2).amax().item()
    if not math.isfinite(largest):
        return A * float("nan")
    exact_to = 1.09 if A.dtype == unspool.float64 else 3.01
    halvings = max(0, math.ceil(math.log2(largest / exact_to))) if largest > 0 else 0
    A = A * 0.5**halvings
    identity = unspool.eye(A.shape[-1], dtype=A.dtype)
    result = identity.expand(A.shape)
    for k in range(18, 0, -1):
        result = identity + (A @ result) / k
    for _ in range(halvings):
        result = result @ result
    return result


def multi_dot(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first may be a row and the last a column, as 1-d tensors.
    """
    matrices = list(tensors)
    if len(matrices) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(matrices)}")
    for place, matrix in enumerate(matrices):
        require_tensor(f"tensors[{place}]", matrix, "linalg.multi_dot")
        is_end = place in (0, len(matrices) - 1)
        if matrix.ndim not in ((1, 2) if is_end else (2,)):
            raise RuntimeError(
                f"multi_dot(): tensor {place} must be {'1D or 2D' if is_end else '2D'} but got {matrix.ndim}D"
            )
    shape = [*matrices[0].shape[:-1], *(matrices[-1].shape[1:])]
    if matrices[0].ndim == 1:
        matrices[0] = matrices[0].unsqueeze(0)
    if matrices[-1].ndim == 1:
        matrices[-1] = matrices[-1].unsqueeze(1)
    for place, (a, b) in enumerate(pairwise(matrices)):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {place} and {place + 1} with shapes {tuple(a.shape)} and "
                f"{tuple(b.shape)} cannot be multiplied"
            )
    return into(out, _ordered_product(matrices).reshape(shape))


def _ordered_product(matrices: list[Tensor]) -> Tensor:
    """Cormen et al. 2009, section 15.2."""
    count = len(matrices)
    sizes = [matrices[0].shape[0], *(matrix.shape[1] for matrix in matrices)]
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)
            ]
            cost[i][j] = min(options)
            split[i][j] = i + options.index(cost[i][j])

    def product(i: int, j: int) -> Tensor:
        return matrices[i] if i == j else product(i, split[i][j]) @ product(split[i][j] + 1, j)

    return product(0, count - 1)


def householder_product(A: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """The first n columns of the product of reflections H_i = 1 - tau_i v_i v_iᵀ.

    Args:
        A: (..., m, n) with m >= n; v_i is 0 above its diagonal, 1 on it, and column i of A below.
        tau: (..., k) with k <= n.
        out: where to write the result.
    """
    require_tensor("tau", tau, "linalg.householder_product")
    check_matrix("linalg.householder_product", A)
    check_same_dtype("linalg.householder_product", A, tau, "tau")
    m, n = A.shape[-2:]
    if tau.shape[:-1] != A.shape[:-2]:
        raise RuntimeError(
            f"linalg.householder_product: tau {tuple(tau.shape)} must have the batch dimensions of A "
            f"{tuple(A.shape)} and one more"
        )
    if m < n or tau.shape[-1] > n:
        raise RuntimeError(
            "linalg.householder_product: needs A.shape[-2] >= A.shape[-1] >= tau.shape[-1], got "
            f"{tuple(A.shape)} and {tuple(tau.shape)}"
        )
    vectors = A.tril(-1) + unspool.eye(m, n, dtype=A.dtype)
    result = _constant_of(A, unspool.eye(m, n, dtype=A.dtype))
    for i in range(tau.shape[-1] - 1, -1, -1):
        v = vectors[..., i : i + 1]
        result = result - tau[..., i, None, None] * (v @ (v.mT @ result))
    return into(out, result)


def tensorinv(A: Tensor, ind: int = 2, *, out: Any = None) -> Tensor:
    """The inverse of ``tensordot(A, ., ind)``: A's first ``ind`` sizes multiply to as much as the others."""
    require_tensor("A", A, "linalg.tensorinv")
    if ind <= 0:
        raise RuntimeError("linalg.tensorinv: Expected a strictly positive integer for 'ind'")
    rows, columns = math.prod(A.shape[:ind]), math.prod(A.shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}"
        )
    try:
        inverse = inv(A.reshape(rows, columns))
    except LinAlgError as error:
        raise LinAlgError(f"linalg.tensorinv: {error}") from None
    return into(out, inverse.reshape(*A.shape[ind:], *A.shape[:ind]))


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None, *, out: Any = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) == B``; ``dims`` of A are moved to its end first."""
    require_tensors("linalg.tensorsolve", A=A, B=B)
    if dims is not None:
        A = A.movedim(list(dims), list(range(A.ndim - len(dims), A.ndim)))
    shape = A.shape[B.ndim :]
    if math.prod(shape) != B.numel() or math.prod(A.shape[: B.ndim]) != B.numel():
        raise RuntimeError(
            "linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {tuple(A.shape)} and {tuple(B.shape)}"
        )
    solution = solve(A.reshape(B.numel(), math.prod(shape)), B.reshape(-1))
    return into(out, solution.reshape(shape))


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Powers 0 to N - 1 of the elements, along a new last dimension; N is x.shape[-1] by default.

    A 0-d tensor counts as one of shape (1,).
    """
    require_tensor("x", x, "linalg.vander")
    if N is None and x.ndim == 0:
        raise RuntimeError("linalg.vander: N must be given for a tensor without dimensions")
    count = x.shape[-1] if N is None else N
    if count < 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, but got {count}")
    return unspool.atleast_1d(x).unsqueeze(-1) ** unspool.arange(count)
