"""``FloatTensor`` and its companions: old names that make, convert to, and test for tensors of one dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from unspool import _core
from unspool._core import Tensor, dtype


class _Kind(type):
    """Type of the classes below: what looks like making an instance makes a Tensor."""

    dtype: dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a tensor of sizes, or of data."""
        kwargs.pop("device", None)
        if kwargs:
            raise TypeError(f"{cls.__name__}: has no argument {next(iter(kwargs))!r}")
        if not args:
            return _core.empty(0, dtype=cls.dtype)
        if isinstance(args[0], _core.Size) or all(isinstance(each, (int, np.integer)) for each in args):
            return _core.empty(*args, dtype=cls.dtype)
        if len(args) > 1:
            raise TypeError(f"{cls.__name__}: expected sizes, or one sequence, array or tensor")
        data = args[0]
        return data.to(cls.dtype) if isinstance(data, Tensor) else _core.tensor(data, dtype=cls.dtype)

    def __instancecheck__(cls, instance: object) -> bool:
        """Whether it is a tensor of this dtype."""
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'unspool.{cls.__name__}'>"


def _kind(name: str, of: dtype) -> Any:
    doc = f"Tensors of {of}: ``{name}(sizes...)`` is uninitialised, ``{name}(data)`` holds the data."
    return _Kind(name, (), {"dtype": of, "__doc__": doc, "__module__": "unspool"})


FloatTensor = _kind("FloatTensor", _core.float32)
DoubleTensor = _kind("DoubleTensor", _core.float64)
HalfTensor = _kind("HalfTensor", _core.float16)
BFloat16Tensor = _kind("BFloat16Tensor", _core.bfloat16)
LongTensor = _kind("LongTensor", _core.int64)
IntTensor = _kind("IntTensor", _core.int32)
ShortTensor = _kind("ShortTensor", _core.int16)
CharTensor = _kind("CharTensor", _core.int8)
ByteTensor = _kind("ByteTensor", _core.uint8)
BoolTensor = _kind("BoolTensor", _core.bool)


def of_dtype(dtype: dtype) -> Any:
    """Give the class above that makes tensors of a dtype."""
    return next(globals()[name] for name in NAMES if globals()[name].dtype == dtype)


NAMES = [
    "FloatTensor",
    "DoubleTensor",
    "HalfTensor",
    "BFloat16Tensor",
    "LongTensor",
    "IntTensor",
    "ShortTensor",
    "CharTensor",
    "ByteTensor",
    "BoolTensor",
]

__all__ = NAMES
