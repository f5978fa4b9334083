"""Questions about element types: promotion, limits, categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor_like
from unspool._core import Tensor, dtype


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Give the smallest dtype that holds the values of both."""
    result: dtype = _core._promote_types(type1, type2)
    return result


def _category(of: dtype) -> int:
    return 0 if of is _core.bool else 3 if of.is_complex else 2 if of.is_floating_point else 1


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a conversion keeps the category (bool, integer, floating, complex) or goes to a higher one."""
    for name, value in (("from_", from_), ("to", to)):
        if not isinstance(value, dtype):
            raise TypeError(f"can_cast(): argument {name!r} must be a dtype, not {type(value).__name__}")
    return _category(from_) <= _category(to)


def result_type(tensor1: Tensor | float, tensor2: Tensor | float) -> dtype:
    """Give the dtype of an operation on both: tensors with dimensions decide, then 0-d ones, then numbers."""
    result: dtype = _core._result_type(tensor1, tensor2)
    return result


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is float16, bfloat16, float32 or float64."""
    kind: dtype = require_tensor_like("input", input, "is_floating_point").dtype
    return kind.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex: never, complex numbers are not supported."""
    kind: dtype = require_tensor_like("input", input, "is_complex").dtype
    return kind.is_complex


# max, min, eps and the smallest normal number of 8-bit types, which no tensor has.
_BYTES = {
    "float8_e4m3fn": (448.0, -448.0, 0.125, 2.0**-6),
    "float8_e4m3fnuz": (240.0, -240.0, 0.125, 2.0**-7),
    "float8_e5m2": (57344.0, -57344.0, 0.25, 2.0**-14),
    "float8_e5m2fnuz": (57344.0, -57344.0, 0.125, 2.0**-15),
    "float8_e8m0fnu": (2.0**127, 2.0**-127, 1.0, 2.0**-127),
}
_PARTS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}


class finfo:
    """Limits of a floating dtype, or of the parts of a complex one: bits, eps, max, min, tiny, resolution."""

    def __init__(self, type: dtype | None = None) -> None:
        of = type if type is not None else _core.get_default_dtype()
        if not (of.is_floating_point or of.is_complex):
            raise TypeError(f"finfo: {of} is not a floating dtype; use iinfo")
        self.dtype = name = _PARTS.get(of.__name__, of.__name__)
        if name in _BYTES:
            self.bits, self.resolution = 8, 1.0
            self.max, self.min, self.eps, self.tiny = _BYTES[name]
        elif name == "bfloat16":
            self.bits, self.resolution = 16, 0.01
            self.eps, self.tiny = 2.0**-7, 2.0**-126
            self.max = (2.0 - self.eps) * 2.0**127
            self.min = -self.max
        else:
            self._read(np.finfo(name))
        self.smallest_normal = self.tiny

    def _read(self, limits: np.finfo[Any]) -> None:
        self.bits = int(limits.bits)
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = float(limits.tiny)
        self.resolution = float(limits.resolution)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        numbers = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({numbers}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, type: dtype) -> None:
        self.dtype = type.__name__
        if type.is_floating_point or type.is_complex or type is _core.bool:
            raise TypeError(f"iinfo: {type} is not an integer dtype; use finfo")
        limits = np.iinfo(type.__name__)
        self.bits, self.max, self.min = int(limits.bits), int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def as_array(tensor: Tensor) -> Any:
    """Give the values as a NumPy array; bfloat16, which NumPy lacks, as float32."""
    values = tensor.detach()
    return (values.float() if values.dtype is _core.bfloat16 else values).numpy()
