"""PyTorch's place of the layers that move elements between channels and planes."""

from __future__ import annotations

from unspool.nn.modules.vision import PixelShuffle, PixelUnshuffle

__all__ = ["PixelShuffle", "PixelUnshuffle"]
