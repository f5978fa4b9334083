"""Names that scripts take from PyTorch's compiled module, mostly because an editor added the import.

What unspool has is given from where it is; ``Value`` and ``Graph`` are for annotations and have no objects.
"""

from __future__ import annotations

from typing import Any

from unspool._core import Generator, Size, device, dtype
from unspool.fx import Graph

__all__ = ["Generator", "Graph", "Size", "Value", "device", "dtype"]


class Value:
    """Stands for a value in PyTorch's scripted programs."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError("torch._C.Value is not implemented in unspool; there are no such programs")
