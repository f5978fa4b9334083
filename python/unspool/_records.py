"""The operation records as Python sees them."""

from __future__ import annotations

from functools import cache
from typing import Any

from unspool import _core


@cache
def records() -> dict[str, dict[str, Any]]:
    """Everything the operation records declare, by name."""
    return {record["name"]: record for record in _core.registry()}


def tensor_arguments(record: dict[str, Any], count: int) -> list[str]:
    """Name the tensor arguments of a call with `count` operands; the elements of a list are numbered."""
    names = [arg["name"] for arg in record["args"] if "Tensor" in arg["kind"]]
    if len(names) == 1 and count != 1:
        return [f"{names[0]}[{i}]" for i in range(count)]
    return names + [f"input{i}" for i in range(len(names), count)]
