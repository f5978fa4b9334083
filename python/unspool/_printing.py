"""How tensors are shown: like PyTorch, four decimals, long dimensions shortened."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unspool import _core
from unspool._core import Tensor
from unspool._dtypes import as_array

_EDGE = 3  # elements shown at each end of a shortened dimension
_THRESHOLD = 1000  # tensors with more elements are shortened
_WIDTH = 80
_DIGITS = 4


def _visible(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The elements that a shortened printout shows."""
    for axis, size in enumerate(array.shape):
        if size > 2 * _EDGE:
            array = np.take(array, [*range(_EDGE), *range(size - _EDGE, size)], axis=axis)
    return array


class _Numbers:
    """One format for all numbers of a tensor, so that they line up."""

    def __init__(self, values: npt.NDArray[np.generic]) -> None:
        self._kind = values.dtype.kind
        self._form = ""
        if self._kind == "f":
            finite = np.abs(values[np.isfinite(values)].astype(np.float64))
            whole = bool(np.all(finite == np.trunc(finite)))
            nonzero = finite[finite > 0]
            high = float(nonzero.max()) if nonzero.size else 0.0
            low = float(nonzero.min()) if nonzero.size else 0.0
            wide = high >= 1e8 or (
                not whole and ((high > 1e3 * max(low, 1e-300) and high / low > 1e5) or low < 1e-4)
            )
            if wide:
                self._form = f".{_DIGITS}e"
            else:
                self._form = ".0f" if whole else f".{_DIGITS}f"
        self.width = max((len(self(value)) for value in values.ravel()), default=0)

    def __call__(self, value: Any) -> str:
        if self._kind != "f":
            return str(value)
        text = format(float(value), self._form)
        return text + "." if self._form == ".0f" and text[-1].isdigit() else text


def _rows(array: npt.NDArray[np.generic], numbers: _Numbers, indent: int, shorten: bool) -> str:
    if array.ndim == 0:
        return numbers(array[()])
    cut = shorten and array.shape[0] > 2 * _EDGE
    places: list[int | None] = list(range(array.shape[0]))
    if cut:
        places = [*range(_EDGE), None, *range(array.shape[0] - _EDGE, array.shape[0])]
    if array.ndim == 1:
        texts = ["..." if p is None else numbers(array[p]).rjust(numbers.width) for p in places]
        per_line = max(1, (_WIDTH - indent) // (numbers.width + 2))
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = ["..." if p is None else _rows(array[p], numbers, indent + 1, shorten) for p in places]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"


def format_tensor(tensor: Tensor, prefix: str = "tensor(") -> str:
    """Give the text of a tensor: its elements, and what cannot be seen from them (dtype, shape, history)."""
    values = as_array(tensor)
    shorten = values.size > _THRESHOLD
    if values.size == 0:
        body = "[]"
    else:
        body = _rows(values, _Numbers(_visible(values) if shorten else values), len(prefix), shorten)
    notes = []
    if values.size == 0 and values.ndim != 1:
        notes.append(f"size={tuple(tensor.shape)}")
    plain = [_core.get_default_dtype(), _core.int64, _core.bool]
    if tensor.dtype not in plain or (values.size == 0 and tensor.dtype != plain[0]):
        notes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return prefix + ", ".join([body, *notes]) + ")"
