"""Recomputation: activations are dropped after the forward pass and computed again when they are needed."""

from unspool._recompute.chain import checkpoint_sequential
from unspool._recompute.dropping import checkpoint
from unspool._recompute.limit import memory_budget

__all__ = ["checkpoint", "checkpoint_sequential", "memory_budget"]
