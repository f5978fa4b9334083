"""How tensors are shown: like PyTorch, four decimals, long dimensions shortened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unspool import _core
from unspool._core import Tensor
from unspool._dtypes import as_array

if TYPE_CHECKING:
    import numpy.typing as npt


class _Options:
    """How much is shown: digits after the point, elements before shortening and at its ends, and width."""

    def __init__(self, precision: int = 4, threshold: float = 1000, edgeitems: int = 3) -> None:
        self.precision = precision
        self.threshold = threshold
        self.edgeitems = edgeitems
        self.linewidth = 80
        self.sci_mode: bool | None = None


_options = _Options()
_PROFILES = {"default": _Options(), "short": _Options(2, 1000, 2), "full": _Options(4, float("inf"))}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are shown; what is None stays as it is.

    Args:
        precision: digits after the point (4).
        threshold: larger tensors are shortened (1000).
        edgeitems: elements shown at each end of a shortened dimension (3).
        linewidth: characters in a line (80).
        profile: "default", "short" or "full" sets all of these first.
        sci_mode: True for powers of ten always, False never, None where numbers differ much.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {list(_PROFILES)}, not {profile!r}")
        vars(_options).update(vars(_PROFILES[profile]))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    vars(_options).update({name: value for name, value in given.items() if value is not None})
    _options.sci_mode = sci_mode


def _visible(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The elements that a shortened printout shows."""
    for axis, size in enumerate(array.shape):
        if size > 2 * _options.edgeitems:
            array = np.take(
                array, [*range(_options.edgeitems), *range(size - _options.edgeitems, size)], axis=axis
            )
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
            if wide if _options.sci_mode is None else _options.sci_mode:
                self._form = f".{_options.precision}e"
            else:
                self._form = ".0f" if whole else f".{_options.precision}f"
        self.width = max((len(self(value)) for value in values.ravel()), default=0)

    def __call__(self, value: Any) -> str:
        if self._kind != "f":
            return str(value)
        text = format(float(value), self._form)
        return text + "." if self._form == ".0f" and text[-1].isdigit() else text


def _rows(array: npt.NDArray[np.generic], numbers: _Numbers, indent: int, shorten: bool) -> str:
    if array.ndim == 0:
        return numbers(array[()])
    edge, size = _options.edgeitems, array.shape[0]
    cut = shorten and size > 2 * edge
    places: list[int | None] = list(range(size))
    if cut:
        places = [
            *range(_options.edgeitems),
            None,
            *range(array.shape[0] - _options.edgeitems, array.shape[0]),
        ]
    if array.ndim == 1:
        texts = ["..." if p is None else numbers(array[p]).rjust(numbers.width) for p in places]
        per_line = max(1, (_options.linewidth - indent) // (numbers.width + 2))
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = ["..." if p is None else _rows(array[p], numbers, indent + 1, shorten) for p in places]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"


def format_elements(tensor: Tensor, indent: int = 0) -> str:
    """Give the text of a tensor's elements, whose further lines begin after ``indent`` characters."""
    values = as_array(tensor)
    if values.size == 0:
        return "[]"
    shorten = values.size > _options.threshold
    return _rows(values, _Numbers(_visible(values) if shorten else values), indent, shorten)


def format_tensor(tensor: Tensor, prefix: str = "tensor(") -> str:
    """Give the text of a tensor: its elements, and what cannot be seen from them (dtype, shape, history)."""
    body = format_elements(tensor, len(prefix))
    is_empty = tensor.numel() == 0
    notes = []
    if is_empty and tensor.ndim != 1:
        notes.append(f"size={tuple(tensor.shape)}")
    plain = [_core.get_default_dtype(), _core.int64, _core.bool]
    if tensor.dtype not in plain or (is_empty and tensor.dtype != plain[0]):
        notes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return prefix + ", ".join([body, *notes]) + ")"
