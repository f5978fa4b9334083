"""Loss scaling between processes: the class is there to be asked for."""

from __future__ import annotations

from unspool.distributed._refused import refused_class

__all__ = ["ShardedGradScaler"]

ShardedGradScaler = refused_class("torch.distributed.fsdp.sharded_grad_scaler.ShardedGradScaler")
