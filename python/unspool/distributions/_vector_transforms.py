"""Transforms of vectors and matrices; part of ``transforms``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.distributions import constraints
from unspool.distributions._transforms import Transform
from unspool.nn import functional as F

__all__ = [
    "CatTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "SoftmaxTransform",
    "StackTransform",
    "StickBreakingTransform",
]


class SoftmaxTransform(Transform):
    """Softmax over the last dimension; not one-to-one, so without a determinant."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SoftmaxTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Any:
        return x.softmax(-1)

    def _inverse(self, y: Tensor) -> Any:
        return y.log()


class StickBreakingTransform(Transform):
    """n real numbers to n + 1 positive ones with sum 1, each a share of what the ones before left over."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StickBreakingTransform)

    __hash__ = object.__hash__

    @staticmethod
    def _offsets(n: int, dtype: Any) -> Tensor:
        return unspool.arange(n, 0, -1).to(dtype).log()

    def _call(self, x: Tensor) -> Any:
        z = (x - self._offsets(x.shape[-1], x.dtype)).sigmoid()
        left_over = (1 - z).log().cumsum(-1).exp()
        return F.pad(z, (0, 1), value=1.0) * F.pad(left_over, (1, 0), value=1.0)

    def _inverse(self, y: Tensor) -> Any:
        shares = y[..., :-1]
        rest = (1 - shares.cumsum(-1)).clamp(min=unspool.finfo(y.dtype).tiny)
        return shares.log() - rest.log() + self._offsets(shares.shape[-1], y.dtype)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Any:
        x = x - self._offsets(x.shape[-1], x.dtype)
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(Transform):
    """A square matrix to a lower triangle whose diagonal is the exponential of the matrix's."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LowerCholeskyTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Any:
        identity = unspool.eye(x.shape[-1], dtype=x.dtype)
        return x.tril(-1) + identity * x.diagonal(dim1=-2, dim2=-1).exp().unsqueeze(-1)

    def _inverse(self, y: Tensor) -> Any:
        identity = unspool.eye(y.shape[-1], dtype=y.dtype)
        return y.tril(-1) + identity * y.diagonal(dim1=-2, dim2=-1).log().unsqueeze(-1)


class PositiveDefiniteTransform(Transform):
    """A square matrix to L Lᵀ, with L from ``LowerCholeskyTransform``."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PositiveDefiniteTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Any:
        lower = LowerCholeskyTransform()(x)
        return lower @ lower.mT

    def _inverse(self, y: Tensor) -> Any:
        return LowerCholeskyTransform().inv(unspool.linalg.cholesky(y))


class CorrCholeskyTransform(Transform):
    """Real numbers, n (n - 1) / 2, to the Cholesky factor of an n by n correlation matrix."""

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    @staticmethod
    def _places(n: int) -> tuple[Tensor, Tensor]:
        rows = [i for i in range(n) for _ in range(i)]
        columns = [j for i in range(n) for j in range(i)]
        return unspool.tensor(rows, dtype=unspool.int64), unspool.tensor(columns, dtype=unspool.int64)

    def _matrix(self, x: Tensor, n: int) -> Tensor:
        rows, columns = self._places(n)
        # One row with a 1 in its place for each number.
        places = ((rows * n + columns).unsqueeze(-1) == unspool.arange(n * n)).to(x.dtype)
        return (x @ places).reshape(*x.shape[:-1], n, n)

    def _call(self, x: Tensor) -> Any:
        eps = unspool.finfo(x.dtype).eps
        n = self.forward_shape(x.shape)[-1]
        r = self._matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), n)
        rest = (1 - r.square()).sqrt().log().cumsum(-1).exp()
        r = r + unspool.eye(n, dtype=x.dtype)
        return r * F.pad(rest[..., :-1], (1, 0), value=1.0)

    def _inverse(self, y: Tensor) -> Any:
        covered = 1 - (y * y).cumsum(-1)
        n = y.shape[-1]
        rows, columns = self._places(n)
        shifted = F.pad(covered[..., :-1], (1, 0), value=1.0)
        index = rows * n + columns
        values = y.flatten(-2)[..., index]
        t = values / shifted.flatten(-2)[..., index].sqrt()
        return ((1 + t) / (1 - t)).log() / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Any:
        covered = 1 - (y * y).cumsum(-1)
        n = y.shape[-1]
        rows, columns = self._places(n)
        keep = columns < rows - 1
        index = (rows * n + columns)[keep]
        below = covered.flatten(-2)[..., index].log().sum(-1) / 2
        return below - 2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Any) -> Any:
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class _PartwiseTransform(Transform):
    def __init__(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        super().__init__(cache_size=cache_size)
        self.transforms = [each.with_cache(cache_size) for each in tseq]
        self.dim = dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return all(each.bijective for each in self.transforms)


class CatTransform(_PartwiseTransform):
    """One transform for each part, of the given lengths, along ``dim``."""

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Any = None, cache_size: int = 0
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)

    @property
    def domain(self) -> Any:
        return constraints.cat([each.domain for each in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self) -> Any:
        return constraints.cat([each.codomain for each in self.transforms], self.dim, self.lengths)

    def _parts(self, value: Tensor) -> Any:
        return value.split(self.lengths, self.dim)

    def _call(self, x: Tensor) -> Any:
        return unspool.cat(
            [t(part) for t, part in zip(self.transforms, self._parts(x), strict=True)], self.dim
        )

    def _inverse(self, y: Tensor) -> Any:
        return unspool.cat(
            [t.inv(part) for t, part in zip(self.transforms, self._parts(y), strict=True)], self.dim
        )

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Any:
        pieces = zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        return unspool.cat([t.log_abs_det_jacobian(a, b) for t, a, b in pieces], self.dim)


class StackTransform(_PartwiseTransform):
    """One transform for each slice along ``dim``."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)

    @property
    def domain(self) -> Any:
        return constraints.stack([each.domain for each in self.transforms], self.dim)

    @property
    def codomain(self) -> Any:
        return constraints.stack([each.codomain for each in self.transforms], self.dim)

    def _call(self, x: Tensor) -> Any:
        return unspool.stack(
            [t(v) for t, v in zip(self.transforms, x.unbind(self.dim), strict=True)], self.dim
        )

    def _inverse(self, y: Tensor) -> Any:
        return unspool.stack(
            [t.inv(v) for t, v in zip(self.transforms, y.unbind(self.dim), strict=True)], self.dim
        )

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Any:
        pieces = zip(self.transforms, x.unbind(self.dim), y.unbind(self.dim), strict=True)
        return unspool.stack([t.log_abs_det_jacobian(a, b) for t, a, b in pieces], self.dim)


class CumulativeDistributionTransform(Transform):
    """The cumulative distribution function of a distribution of real numbers."""

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:
        return self.distribution.support

    def _call(self, x: Tensor) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Any:
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size: int = 1) -> Transform:
        return (
            self
            if self._cache_size == cache_size
            else CumulativeDistributionTransform(self.distribution, cache_size)
        )
