"""PyTorch's place of what the loader is made of."""

from __future__ import annotations

from unspool.utils.data._utils import collate

__all__ = ["collate"]
