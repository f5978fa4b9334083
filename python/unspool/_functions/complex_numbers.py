"""What code for complex numbers asks of real tensors, which are their own conjugates; and the refusals."""

from __future__ import annotations

import math
from typing import Any

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, ops
from unspool._functions.out import with_out

__all__ = [
    "angle",
    "conj",
    "conj_physical",
    "conj_physical_",
    "imag",
    "is_conj",
    "is_neg",
    "real",
    "resolve_conj",
    "resolve_neg",
]


def real(input: Tensor) -> Tensor:
    """Give the real part: the tensor itself."""
    return require_tensor("input", input, "real")


def imag(input: Tensor) -> Tensor:
    """Raise RuntimeError: a real tensor has no imaginary part to show."""
    raise RuntimeError(f"imag: needs a complex tensor, got {require_tensor('input', input, 'imag').dtype}")


def conj(input: Tensor) -> Tensor:
    """Give the conjugate: the tensor itself."""
    return require_tensor("input", input, "conj")


@with_out
def conj_physical(input: Tensor) -> Tensor:
    """Give the conjugate: the tensor itself."""
    return require_tensor("input", input, "conj_physical")


def conj_physical_(input: Tensor) -> Tensor:
    """Conjugate in place, which changes nothing."""
    return require_tensor("input", input, "conj_physical_")


def resolve_conj(input: Tensor) -> Tensor:
    """Give the tensor itself: no conjugation is pending."""
    return require_tensor("input", input, "resolve_conj")


def resolve_neg(input: Tensor) -> Tensor:
    """Give the tensor itself: no change of sign is pending."""
    return require_tensor("input", input, "resolve_neg")


def is_conj(input: Tensor) -> bool:
    """Give False: no conjugation is pending."""
    require_tensor("input", input, "is_conj")
    return False


def is_neg(input: Tensor) -> bool:
    """Give False: no change of sign is pending."""
    require_tensor("input", input, "is_neg")
    return False


@with_out
def angle(input: Tensor) -> Tensor:
    """Give the angle to the positive axis: pi below zero, 0 elsewhere, NaN for NaN."""
    x = require_tensor("input", input, "angle")
    x = x if x.is_floating_point() else x.to(_core.get_default_dtype())
    nothing = _core.zeros_like(x)
    return ops.where(ops.isnan(x), x * 0, ops.where(ops.lt(x, 0), math.pi, nothing))


METHODS: dict[str, Any] = {name: globals()[name] for name in __all__ if name not in ("imag", "real")} | {
    "real": property(real, doc="The tensor itself."),
    "imag": property(imag, doc="Raises RuntimeError: the tensor is real."),
}
