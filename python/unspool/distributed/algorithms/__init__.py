"""What processes do together in training: the modules are there, and using what is in them raises."""

from __future__ import annotations

from unspool.distributed.algorithms import ddp_comm_hooks, model_averaging

__all__ = ["ddp_comm_hooks", "model_averaging"]
