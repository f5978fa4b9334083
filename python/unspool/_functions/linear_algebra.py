"""The older names of linear algebra, whose modules are imported when one is asked for first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool._core import Tensor

METHODS = (
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "cross",
    "det",
    "geqrf",
    "inverse",
    "logdet",
    "lu",
    "lu_solve",
    "matrix_exp",
    "matrix_power",
    "orgqr",
    "ormqr",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "triangular_solve",
)
FUNCTIONS = (*METHODS, "chain_matmul", "lu_unpack", "pca_lowrank", "svd_lowrank")


def as_method(name: str) -> Callable[..., Any]:
    """Make the method of Tensor that calls the function of this name."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        from unspool.linalg import _older

        return getattr(_older, name)(self, *args, **kwargs)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"``unspool.{name}`` of this tensor."
    return method
