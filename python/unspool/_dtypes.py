"""Questions about element types: promotion, limits, categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from unspool import _core
from unspool._core import Tensor, dtype


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Give the smallest dtype that holds the values of both."""
    result: dtype = _core._promote_types(type1, type2)
    return result


def _category(of: dtype) -> int:
    return 0 if of is _core.bool else 2 if of.is_floating_point else 1


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a conversion keeps the category: bool, integer or floating (True for a higher one)."""
    return _category(from_) <= _category(to)


def result_type(tensor1: Tensor | float, tensor2: Tensor | float) -> dtype:
    """Give the dtype of an operation on both: tensors with dimensions decide, then 0-d ones, then numbers."""
    result: dtype = _core._result_type(tensor1, tensor2)
    return result


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is float16, bfloat16, float32 or float64."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex: never, complex numbers are not supported."""
    return input.dtype.is_complex


class finfo:
    """Limits of a floating dtype: bits, eps, max, min, tiny, resolution."""

    def __init__(self, type: dtype | None = None) -> None:
        self.dtype = type if type is not None else _core.get_default_dtype()
        if not self.dtype.is_floating_point:
            raise TypeError(f"finfo: {self.dtype} is not a floating dtype; use iinfo")
        if self.dtype is _core.bfloat16:
            self.bits, self.resolution = 16, 0.01
            self.eps, self.tiny = 2.0**-7, 2.0**-126
            self.max = (2.0 - self.eps) * 2.0**127
        else:
            self._read(np.finfo(self.dtype.__name__))
        self.min = -self.max
        self.smallest_normal = self.tiny

    def _read(self, limits: np.finfo[Any]) -> None:
        self.bits = int(limits.bits)
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.tiny = float(limits.tiny)
        self.resolution = float(limits.resolution)

    def __repr__(self) -> str:
        return f"finfo(dtype={self.dtype.__name__}, eps={self.eps}, max={self.max}, min={self.min})"


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, type: dtype) -> None:
        self.dtype = type
        if type.is_floating_point or type is _core.bool:
            raise TypeError(f"iinfo: {type} is not an integer dtype; use finfo")
        limits = np.iinfo(type.__name__)
        self.bits, self.max, self.min = int(limits.bits), int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(dtype={self.dtype.__name__}, max={self.max}, min={self.min})"


def as_array(tensor: Tensor) -> Any:
    """Give the values as a NumPy array; bfloat16, which NumPy lacks, as float32."""
    values = tensor.detach()
    return (values.float() if values.dtype is _core.bfloat16 else values).numpy()
