"""Multivariate normal distributions of low rank plus a diagonal."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Size, Tensor
from unspool.distributions import constraints
from unspool.distributions.distribution import Distribution
from unspool.distributions.multivariate_normal import mahalanobis
from unspool.distributions.utils import lazy_property

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal vectors with mean ``loc`` (..., n) and covariance W Wᵀ + diag(d).

    Args:
        loc: the mean.
        cov_factor: W, (..., n, m).
        cov_diag: d, (..., n), positive.
        validate_args: check the arguments.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support: ClassVar[Any] = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.ndim < 2 or cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if cov_diag.ndim < 1 or cov_diag.shape[-1] != n:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {n}")
        batch = unspool.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self.loc = loc.expand(*batch, n)
        self.cov_factor = cov_factor.expand(*batch, *cov_factor.shape[-2:])
        self.cov_diag = cov_diag.expand(*batch, n)
        super().__init__(batch, (n,), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        batch_shape = Size(batch_shape)
        for name in ("loc", "cov_factor", "cov_diag"):
            own = getattr(self, name)
            events = 2 if name == "cov_factor" else 1
            setattr(new, name, own.expand(*batch_shape, *own.shape[own.ndim - events :]))
        super(LowRankMultivariateNormal, new).__init__(batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @lazy_property
    def _capacitance_tril(self) -> Any:
        """The Cholesky factor of I + Wᵀ diag(d)^-1 W."""
        scaled = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        identity = unspool.eye(self.cov_factor.shape[-1], dtype=self.loc.dtype)
        return unspool.linalg.cholesky(identity + scaled @ self.cov_factor)

    @lazy_property
    def covariance_matrix(self) -> Any:
        diagonal = unspool.eye(self._event_shape[0], dtype=self.loc.dtype) * self.cov_diag.unsqueeze(-1)
        return self.cov_factor @ self.cov_factor.mT + diagonal

    @lazy_property
    def scale_tril(self) -> Any:
        return unspool.linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self) -> Any:
        return unspool.cholesky_inverse(self.scale_tril)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return self.cov_factor.square().sum(-1) + self.cov_diag

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        low = unspool.randn(*shape[:-1], self.cov_factor.shape[-1], dtype=self.loc.dtype)
        each = unspool.randn(shape, dtype=self.loc.dtype)
        return self.loc + (self.cov_factor @ low.unsqueeze(-1)).squeeze(-1) + self.cov_diag.sqrt() * each

    def _log_det(self) -> Tensor:
        half = self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return 2 * half + self.cov_diag.log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        difference = value - self.loc
        # The inverse of the covariance by Woodbury's identity.
        scaled = difference / self.cov_diag
        inner = (self.cov_factor.mT @ scaled.unsqueeze(-1)).squeeze(-1)
        distance = (difference * scaled).sum(-1) - mahalanobis(self._capacitance_tril, inner)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + distance)

    def entropy(self) -> Tensor:
        return 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
