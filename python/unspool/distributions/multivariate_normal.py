"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Size, Tensor
from unspool.distributions import constraints
from unspool.distributions._triangular_scale import TriangularScale
from unspool.distributions.distribution import Distribution

__all__ = ["MultivariateNormal"]


def mahalanobis(lower: Tensor, difference: Tensor) -> Tensor:
    """|L^-1 x|^2 for a Cholesky factor (..., n, n) and vectors (..., n) that broadcast."""
    batch = unspool.broadcast_shapes(lower.shape[:-2], difference.shape[:-1])
    n = lower.shape[-1]
    if lower.ndim == 2:
        # One triangle for all: the vectors are the columns of one right side.
        columns = difference.reshape(-1, n).mT
        solved = unspool.linalg.solve_triangular(lower, columns, upper=False)
        return solved.square().sum(-2).reshape(batch)
    solved = unspool.linalg.solve_triangular(
        lower.expand(*batch, n, n), difference.expand(*batch, n).unsqueeze(-1), upper=False
    )
    return solved.square().sum((-2, -1))


class MultivariateNormal(TriangularScale, Distribution):
    """Normal vectors with mean ``loc`` (..., n) and one of three matrices (..., n, n).

    Args:
        loc: the mean.
        covariance_matrix: symmetric positive-definite.
        precision_matrix: its inverse.
        scale_tril: its lower Cholesky factor, which saves the decomposition.
        validate_args: check the arguments.
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support: ClassVar[Any] = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "scale_tril": scale_tril,
            "precision_matrix": precision_matrix,
        }
        names = [name for name, value in given.items() if value is not None]
        if len(names) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        matrix: Any = given[names[0]]
        if matrix.ndim < 2:
            raise ValueError(
                f"{names[0]} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch = unspool.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self._given = names[0]
        setattr(self, names[0], matrix.expand(*batch, *matrix.shape[-2:]))
        self.loc = loc.expand(*batch, loc.shape[-1])
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)
        if scale_tril is not None:
            self._unbroadcasted_scale_tril = scale_tril
        elif covariance_matrix is not None:
            self._unbroadcasted_scale_tril = unspool.linalg.cholesky(covariance_matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(matrix)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(MultivariateNormal, _instance)
        batch_shape = Size(batch_shape)
        new._given = self._given
        new.loc = self.loc.expand(*batch_shape, *self._event_shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                setattr(
                    new,
                    name,
                    self.__dict__[name].expand(*batch_shape, *self._event_shape, *self._event_shape),
                )
        super(MultivariateNormal, new).__init__(batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return self._unbroadcasted_scale_tril.square().sum(-1).expand(*self._batch_shape, *self._event_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = unspool.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._unbroadcasted_scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        lower = self._unbroadcasted_scale_tril
        half_log_det = lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        distance = mahalanobis(lower, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det

    def entropy(self) -> Tensor:
        half_log_det = self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        result = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det
        return result.expand(self._batch_shape)


def precision_to_scale_tril(precision: Tensor) -> Tensor:
    """The Cholesky factor of the inverse, from that of the matrix with rows and columns reversed."""
    reversed_factor = unspool.linalg.cholesky(precision.flip((-2, -1)))
    upper_inverse = reversed_factor.flip((-2, -1)).mT
    identity = unspool.eye(precision.shape[-1], dtype=precision.dtype)
    return unspool.linalg.solve_triangular(upper_inverse, identity, upper=False)
