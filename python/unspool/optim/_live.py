"""Hyperparameters as tensors, for optimizers that are written in operations."""

from __future__ import annotations

from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor


def live(group: dict[str, Any], name: str) -> Tensor:
    """``group[name]`` as a 0-d float64 tensor, which a compiled step reads anew at each call."""
    value = group[name]
    if isinstance(value, Tensor):
        return value.detach().to(unspool.float64).reshape(())
    number = _core.live_entry(group, name)
    return unspool.full((), value, dtype=unspool.float64) if number is None else number
