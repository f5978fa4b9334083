"""What code for complex numbers asks of real tensors, which are their own conjugates; and the refusals."""

from __future__ import annotations

import math
from typing import Any

from unspool import _core
from unspool._core import Tensor, ops

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


def _checked(input: Tensor, who: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{who}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input


def real(input: Tensor) -> Tensor:
    """Give the real part: the tensor itself."""
    return _checked(input, "real")


def imag(input: Tensor) -> Tensor:
    """Raise RuntimeError: a real tensor has no imaginary part to show."""
    raise RuntimeError(f"imag: needs a complex tensor, got {_checked(input, 'imag').dtype}")


def conj(input: Tensor) -> Tensor:
    """Give the conjugate: the tensor itself."""
    return _checked(input, "conj")


def conj_physical(input: Tensor) -> Tensor:
    """Give a copy of the conjugate."""
    return _checked(input, "conj_physical").clone()


def conj_physical_(input: Tensor) -> Tensor:
    """Conjugate in place, which changes nothing."""
    return _checked(input, "conj_physical_")


def resolve_conj(input: Tensor) -> Tensor:
    """Give the tensor itself: no conjugation is pending."""
    return _checked(input, "resolve_conj")


def resolve_neg(input: Tensor) -> Tensor:
    """Give the tensor itself: no change of sign is pending."""
    return _checked(input, "resolve_neg")


def is_conj(input: Tensor) -> bool:
    """Give False: no conjugation is pending."""
    _checked(input, "is_conj")
    return False


def is_neg(input: Tensor) -> bool:
    """Give False: no change of sign is pending."""
    _checked(input, "is_neg")
    return False


def angle(input: Tensor) -> Tensor:
    """Give the angle to the positive axis: pi below zero, 0 elsewhere, NaN for NaN."""
    x = _checked(input, "angle")
    x = x if x.is_floating_point() else x.to(_core.get_default_dtype())
    nothing = _core.zeros_like(x)
    return ops.where(ops.isnan(x), x * 0, ops.where(ops.lt(x, 0), math.pi, nothing))


METHODS: dict[str, Any] = {name: globals()[name] for name in __all__ if name not in ("imag", "real")} | {
    "real": property(real, doc="The tensor itself."),
    "imag": property(imag, doc="Raises RuntimeError: the tensor is real."),
}
