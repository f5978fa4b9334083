"""PyTorch's place of ``ops``, from which some scripts take it."""

from __future__ import annotations

from unspool import ops

__all__ = ["ops"]
