"""Exchange of memory with other libraries by DLPack."""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor, from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """Give a capsule over the tensor's memory, to be taken up once."""
    return tensor.__dlpack__()
