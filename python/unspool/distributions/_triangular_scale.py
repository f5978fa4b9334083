"""What distributions say of a covariance that they keep as its Cholesky factor."""

from __future__ import annotations

from typing import Any

import unspool
from unspool._core import Size, Tensor
from unspool.distributions.utils import lazy_property


class TriangularScale:
    """The factor, its product and the inverse of that, in the shape of the batch."""

    _batch_shape: Size
    _unbroadcasted_scale_tril: Tensor

    def _broadcast(self, matrix: Tensor) -> Tensor:
        return matrix.expand(*self._batch_shape, *matrix.shape[-2:])

    @lazy_property
    def scale_tril(self) -> Any:
        return self._broadcast(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        lower = self._unbroadcasted_scale_tril
        return self._broadcast(lower @ lower.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        return self._broadcast(unspool.cholesky_inverse(self._unbroadcasted_scale_tril))
