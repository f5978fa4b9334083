"""The Wishart distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Size, Tensor
from unspool.distributions import constraints
from unspool.distributions._triangular_scale import TriangularScale
from unspool.distributions.chi2 import Chi2
from unspool.distributions.distribution import Distribution
from unspool.distributions.multivariate_normal import precision_to_scale_tril

__all__ = ["Wishart"]


class Wishart(TriangularScale, Distribution):
    """Scatter matrices of ``df`` normal vectors with mean 0 and one covariance, given in one of three ways.

    Args:
        df: degrees of freedom, more than n - 1.
        covariance_matrix: (..., n, n), symmetric positive-definite.
        precision_matrix: its inverse.
        scale_tril: its lower Cholesky factor.
        validate_args: check the arguments.
    """

    arg_constraints: ClassVar[Any] = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }
    support: ClassVar[Any] = constraints.positive_definite
    has_rsample = True

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
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
        freedom = df if isinstance(df, Tensor) else unspool.tensor(float(df), dtype=matrix.dtype)
        batch = unspool.broadcast_shapes(freedom.shape, matrix.shape[:-2])
        n = matrix.shape[-1]
        self.df = freedom.expand(batch)
        if bool((self.df <= n - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        setattr(self, names[0], matrix.expand(*batch, n, n))
        super().__init__(batch, (n, n), validate_args=validate_args)
        if scale_tril is not None:
            self._unbroadcasted_scale_tril = scale_tril
        elif covariance_matrix is not None:
            self._unbroadcasted_scale_tril = unspool.linalg.cholesky(covariance_matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(matrix)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Wishart, _instance)
        batch_shape = Size(batch_shape)
        new.df = self.df.expand(batch_shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                setattr(new, name, self.__dict__[name].expand(*batch_shape, *self._event_shape))
        super(Wishart, new).__init__(batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _n(self) -> int:
        return int(self._event_shape[-1])

    @property
    def mean(self) -> Any:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Any:
        factor = self.df - self._n - 1
        factor = unspool.where(factor <= 0, math.nan, factor)
        return factor[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Any:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df[..., None, None] * (v.square() + products)

    def rsample(self, sample_shape: Any = (), max_try_correction: Any = None) -> Tensor:
        """Draws by Bartlett's decomposition; no result is singular, so none has to be drawn again."""
        del max_try_correction
        shape = self._extended_shape(sample_shape)
        freedoms = self.df.unsqueeze(-1) - unspool.arange(self._n, dtype=self.df.dtype)
        lengths = Chi2(freedoms).rsample(Size(sample_shape)).clamp(min=unspool.finfo(self.df.dtype).tiny)
        triangle = unspool.randn(shape, dtype=self.df.dtype).tril(-1) + unspool.diag_embed(lengths.sqrt())
        factor = self._unbroadcasted_scale_tril @ triangle
        return factor @ factor.mT

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n, nu = self._n, self.df
        solved = unspool.cholesky_solve(value, self.scale_tril.expand(value.shape))
        log_det = 2 * unspool.linalg.cholesky(value).diagonal(dim1=-2, dim2=-1).log().sum(-1)
        normalizer = nu * (self._half_log_det() + n * math.log(2) / 2) + unspool.mvlgamma(nu / 2, n)
        return (nu - n - 1) / 2 * log_det - solved.diagonal(dim1=-2, dim2=-1).sum(-1) / 2 - normalizer

    def entropy(self) -> Tensor:
        n, nu = self._n, self.df
        halves = nu.unsqueeze(-1) / 2 - unspool.arange(n, dtype=nu.dtype) / 2
        return (
            (n + 1) * (self._half_log_det() + n * math.log(2) / 2)
            + unspool.mvlgamma(nu / 2, n)
            - (nu - n - 1) / 2 * unspool.digamma(halves).sum(-1)
            + n * nu / 2
        )
