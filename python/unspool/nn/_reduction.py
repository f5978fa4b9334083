"""How losses reduce, under the private names that packages with losses of their own use."""

from __future__ import annotations

import warnings

from unspool.nn._functional.common import legacy_reduction

__all__ = ["get_enum", "legacy_get_enum", "legacy_get_string"]

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """Give PyTorch's number of a reduction: 0 for "none", 1 for "mean", 2 for "sum".

    Raises:
        ValueError: there is no such reduction.
    """
    if reduction not in _NUMBERS:
        raise ValueError(f"{reduction!r} is not a valid value for reduction; use 'none', 'mean' or 'sum'")
    return _NUMBERS[reduction]


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """Give the reduction that the two older arguments mean: "mean" where both are None."""
    with warnings.catch_warnings():
        if not emit_warning:
            warnings.simplefilter("ignore")
        return legacy_reduction(size_average, reduce, "mean")


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """Give the number of the reduction that the two older arguments mean."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
