"""NumPy arrays of numbers in a pickle: built from their parts, of dtypes that hold nothing but numbers."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np

_PLAIN = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


class ElementType:
    """Stands for ``numpy.dtype`` in a pickle: a code, and the byte order that follows it."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _PLAIN.fullmatch(code):
            raise pickle.UnpicklingError(f"load: the file holds a NumPy array of {code!r}, not of numbers")
        self.dtype = np.dtype(code)

    def set_state(self, state: Any) -> None:
        """Take over the byte order."""
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise ValueError("a NumPy dtype with fields")
        self.dtype = self.dtype.newbyteorder(state[1])


def empty_array(*_: Any) -> np.ndarray[Any, Any]:
    """Give an array whose contents follow."""
    return np.empty(0)


def set_array(array: np.ndarray[Any, Any], state: Any) -> None:
    """Fill an empty array: version, shape, dtype, whether by columns, bytes."""
    _, shape, element, by_columns, raw = state
    if not isinstance(element, ElementType) or not isinstance(raw, bytes):
        raise ValueError("a NumPy array without its elements")
    # Checks that the bytes are as many as the shape needs.
    restore: Any = array.__setstate__
    restore((1, tuple(int(n) for n in shape), element.dtype, bool(by_columns), raw))


def scalar(element: Any, raw: Any) -> Any:
    """Give a NumPy number of its bytes."""
    if not isinstance(element, ElementType) or not isinstance(raw, bytes):
        raise ValueError("a NumPy number without its bytes")
    (number,) = np.frombuffer(raw, element.dtype)
    return number
