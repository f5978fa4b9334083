"""Other libraries: PyTorch's module names for scripts that import them, and arrays by DLPack."""

from __future__ import annotations

from unspool._core import from_dlpack
from unspool.interop._torch_names import as_torch
from unspool.interop.dlpack import to_dlpack

__all__ = ["as_torch", "from_dlpack", "to_dlpack"]
