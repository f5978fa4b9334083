"""Type promotion as PyTorch documents it, written out as data.

What lives here: the table of the six dtypes and the rule that ranks tensors with dimensions over 0-d
tensors over Python scalars. Nothing here imports the library under test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

DTYPES: tuple[str, ...] = ("bool", "uint8", "int32", "int64", "float32", "float64")
DEFAULT_FLOAT = "float32"

# Rows and columns in the order of DTYPES. "torch.promote_types" documents it: the smallest type of the six
# to which both convert; signedness never widens here because the only unsigned type is the smallest
# integer.
TABLE: dict[str, tuple[str, ...]] = {
    "bool": ("bool", "uint8", "int32", "int64", "float32", "float64"),
    "uint8": ("uint8", "uint8", "int32", "int64", "float32", "float64"),
    "int32": ("int32", "int32", "int32", "int64", "float32", "float64"),
    "int64": ("int64", "int64", "int64", "int64", "float32", "float64"),
    "float32": ("float32", "float32", "float32", "float32", "float32", "float64"),
    "float64": ("float64", "float64", "float64", "float64", "float64", "float64"),
}

CATEGORY: dict[str, int] = {"bool": 0, "uint8": 1, "int32": 1, "int64": 1, "float32": 2, "float64": 2}


def promote(a: str, b: str) -> str:
    """The table's entry for two dtypes."""
    return TABLE[a][DTYPES.index(b)]


def is_floating(dtype: str) -> bool:
    """Whether the dtype is float32 or float64."""
    return CATEGORY[dtype] == 2


def scalar_dtype(value: bool | int | float) -> str:
    """The dtype that a Python number stands for: bool, int64, or the default floating type."""
    if isinstance(value, bool):
        return "bool"
    return "int64" if isinstance(value, int) else DEFAULT_FLOAT


def result_type(operands: Iterable[Any]) -> str:
    """The dtype of an elementwise result.

    `operands` holds NumPy arrays (tensors; 0-d arrays are 0-d tensors) and Python numbers; anything else is
    ignored. Arrays with dimensions decide, unless a 0-d array or a number belongs to a higher category
    (bool < integer < floating).
    """
    best: list[str | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, np.ndarray):
            rank, dtype = (0 if operand.ndim else 1), str(operand.dtype)
        elif isinstance(operand, bool | int | float):
            rank, dtype = 2, scalar_dtype(operand)
        else:
            continue
        current = best[rank]
        best[rank] = dtype if current is None else promote(current, dtype)
    result: str | None = None
    for dtype_or_none in best:
        if dtype_or_none is None:
            continue
        if result is None:
            result = dtype_or_none
        elif CATEGORY[dtype_or_none] > CATEGORY[result]:
            result = promote(result, dtype_or_none)
    if result is None:
        raise ValueError("result_type needs at least one tensor or number")
    return result
