"""The older place of ``distributed.tensor``."""

from __future__ import annotations

from unspool.distributed.tensor import DTensor, Replicate, Shard, distribute_module, distribute_tensor

__all__ = ["DTensor", "Replicate", "Shard", "distribute_module", "distribute_tensor"]
