"""Exchange of arrays without copies, by DLPack: with NumPy, torch, jax, cupy and any other that speaks it.

``their.from_dlpack(tensor)`` and ``unspool.from_dlpack(array)`` are all that is needed.
"""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor, from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """Give a DLPack capsule of a tensor, for readers that take capsules; it can be read once."""
    return tensor.__dlpack__()
