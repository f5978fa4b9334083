"""Methods of Tensor for linear algebra, whose modules are imported when one is called first."""

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
    "ormqr",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "triangular_solve",
)


def attach_methods() -> None:
    """Make the functions methods of Tensor."""
    for name in METHODS:
        setattr(Tensor, name, _method(name))


def _method(name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        from unspool.linalg import _older

        return getattr(_older, name)(self, *args, **kwargs)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"``unspool.{name}`` of this tensor."
    return method
