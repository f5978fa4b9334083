"""Weights with orthonormal columns (or rows), as functions of weights without constraints."""

from __future__ import annotations

from typing import Any

import numpy as np

import unspool
from unspool._core import Tensor
from unspool.nn.modules.module import Module
from unspool.nn.utils import parametrize

__all__ = ["orthogonal"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthonormal(matrix: Tensor) -> bool:
    """Whether the columns are, to rounding."""
    n = matrix.shape[-1]
    error = matrix.mT @ matrix - unspool.eye(n, dtype=matrix.dtype)
    return bool(unspool.all(error.abs() <= 10 * n * unspool.finfo(matrix.dtype).eps))


def _orthonormalized(columns: Tensor) -> Tensor:
    """The columns themselves where they are orthonormal, else Q of Q R with a positive diagonal of R."""
    if _is_orthonormal(columns):
        return columns
    q, r = unspool.linalg.qr(columns)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def _square_basis(columns: Tensor) -> Tensor:
    """Orthonormal columns and, behind them, as many others as make the matrix square."""
    n, k = columns.shape[-2:]
    if n == k:
        return columns
    # The complement is what a random matrix has left when the given columns are taken out of it.
    others = unspool.randn(*columns.shape[:-2], n, n - k, dtype=columns.dtype)
    for _ in range(2):  # twice is enough (Kahan)
        others = others - columns @ (columns.mT @ others)
    return unspool.cat([columns, unspool.linalg.qr(others)[0]], -1)


class _Orthogonal(Module):
    """The map, on matrices whose columns are made orthonormal; wider ones are transposed before and after."""

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.orthogonal_map = orthogonal_map
        self.register_buffer("base", None)
        if use_trivialization:
            columns = weight.detach()
            columns = columns.mT if weight.shape[-2] < weight.shape[-1] else columns
            self.base = _square_basis(_orthonormalized(columns))

    def forward(self, x: Tensor) -> Tensor:
        n, k = x.shape[-2:]
        if n < k:
            return self._columns(x.mT).mT
        return self._columns(x)

    def _columns(self, x: Tensor) -> Tensor:
        q = self._reflected(x) if self.orthogonal_map == "householder" else self._rotated(x)
        return q if self.base is None else self.base @ q

    def _rotated(self, x: Tensor) -> Tensor:
        """The first columns of exp(a), or of Cayley's (1 + a / 2) (1 - a / 2)^-1, of a skew matrix."""
        n, k = x.shape[-2:]
        low = x.tril(-1)
        if n > k:
            low = unspool.cat([low, unspool.zeros(*x.shape[:-1], n - k, dtype=x.dtype)], -1)
        skew = low - low.mT
        if self.orthogonal_map == "matrix_exp":
            q = unspool.matrix_exp(skew)
        else:
            unit = unspool.eye(n, dtype=x.dtype)
            q = unspool.linalg.solve(unit - skew / 2, unit + skew / 2)
        return q[..., :k]

    @staticmethod
    def _reflected(x: Tensor) -> Tensor:
        """The product of the reflections at the vectors below the diagonal, with the diagonal's signs."""
        vectors = x.tril(-1)
        scales = 2.0 / (1.0 + vectors.square().sum(-2))
        q = unspool.linalg.householder_product(vectors, scales)
        return q * x.detach().diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)

    def right_inverse(self, value: Tensor) -> Tensor:
        """The weight that the map takes to the nearest thing to ``value`` with orthonormal columns."""
        if value.shape[-2] < value.shape[-1]:
            return self._before(value.detach().mT).mT
        return self._before(value.detach())

    def _before(self, columns: Tensor) -> Tensor:
        if self.base is not None:
            self.base.copy_(_square_basis(_orthonormalized(columns)))
            # Where the map gives the unit matrix.
            return -unspool.eye(*columns.shape[-2:], dtype=columns.dtype).expand(columns.shape).clone()
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "orthogonal: a weight cannot be assigned to with the maps 'matrix_exp' and 'cayley' and "
                "use_trivialization=False"
            )
        return self._vectors_of(_orthonormalized(columns))

    @staticmethod
    def _vectors_of(orthonormal: Tensor) -> Tensor:
        packed, scales = np.linalg.qr(orthonormal.numpy(), mode="raw")
        x = unspool.from_numpy(np.ascontiguousarray(np.swapaxes(packed, -2, -1)))
        # NumPy leaves out reflections at unit vectors, which change the sign of their column.
        signs = x.diagonal(dim1=-2, dim2=-1).sign() * unspool.from_numpy(np.where(scales == 0, -1.0, 1.0))
        x.diagonal(dim1=-2, dim2=-1).copy_(signs)
        return x


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Makes the columns of a weight orthonormal, or its rows where it is wider than tall.

    Args:
        module: whose weight it is.
        name: the weight's name; of more than two dimensions the last two are matrices.
        orthogonal_map: "matrix_exp" (of a skew matrix), "cayley" (of the same) or "householder" (a product of
            reflections); by default the first for square matrices and the last for others.
        use_trivialization: multiply by a fixed orthogonal matrix (buffer ``base``), so that the weight starts
            from its present value (orthonormalized) near the middle of the map (Lezcano-Casado 2019).

    Returns:
        The module; ``parametrizations.<name>.original`` is the weight without constraints.

    Raises:
        ValueError: there is no such tensor, it is no matrix, or there is no such map.
    """
    weight: Any = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f"orthogonal: orthogonal_map must be one of {_MAPS}, got {orthogonal_map!r}")
    step = _Orthogonal(weight, orthogonal_map, use_trivialization)
    parametrize.register_parametrization(module, name, step, unsafe=True)
    return module
