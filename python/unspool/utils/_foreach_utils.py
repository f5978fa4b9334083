"""What optimizers written for PyTorch ask about lists of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unspool._core import Tensor

Lists = list[list[Tensor | None]]


def _group_tensors_by_device_and_dtype(
    tensorlistlist: Sequence[Sequence[Tensor | None]], with_indices: bool = False
) -> dict[tuple[Any, Any], tuple[Lists, list[int]]]:
    """Group the columns of a table by device and dtype of the first row.

    Args:
        tensorlistlist: rows of one length; the first has a tensor in each place.
        with_indices: also give the columns' places.

    Returns:
        by device and dtype: the rows with the columns of that group, and their places (or nothing).
    """
    groups: dict[tuple[Any, Any], tuple[Lists, list[int]]] = {}
    for place, column in enumerate(zip(*tensorlistlist, strict=True)):
        first = column[0]
        if first is None:
            raise ValueError(
                "_group_tensors_by_device_and_dtype: the first list must have a tensor in each place"
            )
        rows, places = groups.setdefault((first.device, first.dtype), ([[] for _ in column], []))
        for row, each in zip(rows, column, strict=True):
            row.append(each)
        if with_indices:
            places.append(place)
    return groups


def _get_foreach_kernels_supported_devices() -> list[str]:
    return ["cpu"]


def _get_fused_kernels_supported_devices() -> list[str]:
    return []
