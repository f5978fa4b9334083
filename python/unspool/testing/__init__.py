"""Comparison of values in tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unspool import _core
from unspool._core import Tensor
from unspool.testing._making import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# Relative and absolute, by dtype; exact for all others.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Check that ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Tensors, arrays and numbers are compared, and sequences and mappings of them member by member.

    Args:
        actual: what was computed.
        expected: what it should be.
        allow_subclasses: accept values of different, but related types.
        rtol: relative tolerance; goes with ``atol``. Both default to those of the less exact dtype:
            1e-3 and 1e-5 for float16, 1.6e-2 and 1e-5 for bfloat16, 1.3e-6 and 1e-5 for float32,
            1e-7 and 1e-7 for float64, zero otherwise.
        atol: absolute tolerance.
        equal_nan: whether NaN equals NaN.
        check_device: accepted: all tensors are on the CPU.
        check_dtype: whether dtypes must agree.
        check_layout: accepted: all tensors are dense.
        check_stride: whether strides must agree.
        msg: replaces the message, or makes one of it.

    Raises:
        AssertionError: values, shapes, dtypes or structures differ.
        ValueError: only one of the tolerances is given.
        TypeError: the values cannot be compared.
    """
    del check_device, check_layout
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: rtol and atol go together, give both or neither")

    def compare(a: Any, b: Any, where: str) -> None:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if a.keys() != b.keys():
                fail(
                    f"The keys of the mappings do not match: {sorted(map(str, a))}, {sorted(map(str, b))}",
                    where,
                )
            for key in a:
                compare(a[key], b[key], f"{where}[{key!r}]")
        elif _is_sequence(a) and _is_sequence(b):
            if len(a) != len(b):
                fail(f"The length of the sequences mismatch: {len(a)} != {len(b)}", where)
            for place, (x, y) in enumerate(zip(a, b, strict=True)):
                compare(x, y, f"{where}[{place}]")
        elif a is None or b is None:
            if a is not b:
                fail(f"None mismatch: {a} is not {b}", where)
        else:
            leaves(a, b, where)

    def leaves(a: Any, b: Any, where: str) -> None:
        if not allow_subclasses and type(a) is not type(b):
            raise TypeError(f"assert_close: types {type(a).__name__} and {type(b).__name__} differ{where}")
        numbers = not isinstance(a, (Tensor, np.ndarray)) and not isinstance(b, (Tensor, np.ndarray))
        x, y = _tensor(a), _tensor(b)
        if x.shape != y.shape:
            fail(f"The values for attribute 'shape' do not match: {x.shape} != {y.shape}.", where)
        if check_dtype and not numbers and x.dtype is not y.dtype:
            fail(f"The values for attribute 'dtype' do not match: {x.dtype} != {y.dtype}.", where)
        if check_stride and x.stride() != y.stride():
            fail(f"The values for attribute 'stride()' do not match: {x.stride()} != {y.stride()}.", where)
        tolerances = [_TOLERANCES.get(each.dtype.__name__, (0.0, 0.0)) for each in (x, y)]
        relative = rtol if rtol is not None else max(pair[0] for pair in tolerances)
        absolute = atol if atol is not None else max(pair[1] for pair in tolerances)
        report = _difference(_array(x), _array(y), relative, absolute, equal_nan)
        if report:
            fail(report, where)

    def fail(report: str, where: str) -> None:
        message = f"{report}\n\nThe failure occurred for item {where}" if where else report
        if msg is not None:
            message = msg(message) if callable(msg) else msg
        raise AssertionError(message)

    compare(actual, expected, "")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, bool):
        return _core.tensor(value)
    if isinstance(value, (int, float)):
        return _core.tensor(value, dtype=_core.float64 if isinstance(value, float) else _core.int64)
    if isinstance(value, (np.ndarray, np.generic)):
        return _core.as_tensor(value)
    raise TypeError(f"assert_close: a {type(value).__name__} cannot be compared")


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()


def _difference(
    a: npt.NDArray[Any], b: npt.NDArray[Any], rtol: float, atol: float, equal_nan: bool
) -> str | None:
    """Say how two arrays differ, or None."""
    if rtol == 0 and atol == 0:
        same = np.asarray(a == b)
        if equal_nan and a.dtype.kind == "f":
            same |= np.isnan(a) & np.isnan(b)
    else:
        same = np.isclose(a.astype(np.float64), b.astype(np.float64), rtol, atol, equal_nan)
    if same.all():
        return None
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        absolute = np.where(same, 0.0, np.abs(x - y))
        relative = np.where(same, 0.0, absolute / np.abs(y))
    if a.ndim == 0:
        return (
            f"Scalars are not close!\n\nExpected {y.item()} but got {x.item()}.\n"
            f"Absolute difference: {absolute.item()} (up to {atol} allowed)\n"
            f"Relative difference: {relative.item()} (up to {rtol} allowed)"
        )
    wrong, total = int((~same).sum()), same.size
    at = [
        tuple(int(i) for i in np.unravel_index(np.argmax(np.nan_to_num(d, nan=math.inf)), d.shape))
        for d in (absolute, relative)
    ]
    return (
        f"Tensor-likes are not close!\n\nMismatched elements: {wrong} / {total} ({wrong / total:.1%})\n"
        f"Greatest absolute difference: {absolute[at[0]]} at index {at[0]} (up to {atol} allowed)\n"
        f"Greatest relative difference: {relative[at[1]]} at index {at[1]} (up to {rtol} allowed)"
    )


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """Check as ``assert_close`` does, with the dtypes left free and NaN equal to NaN: its older form.

    Args:
        actual: what was computed.
        expected: what it should be; numbers and sequences become tensors.
        rtol: relative tolerance, as there.
        atol: absolute tolerance, as there.
        equal_nan: whether NaN equals NaN.
        msg: replaces the message.

    Raises:
        AssertionError: values or shapes differ.
    """
    pair = [each if isinstance(each, Tensor) else _core.tensor(each) for each in (actual, expected)]
    assert_close(*pair, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)
