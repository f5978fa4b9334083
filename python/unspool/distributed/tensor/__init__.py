"""Tensors that are split between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = ["DTensor", "Placement", "Replicate", "Shard", "distribute_module", "distribute_tensor"]

DTensor = refused_class("torch.distributed.tensor.DTensor")
Placement = refused_class("torch.distributed.tensor.Placement")
Replicate = refused_class("torch.distributed.tensor.Replicate")
Shard = refused_class("torch.distributed.tensor.Shard")
distribute_module = refused_function("torch.distributed.tensor.distribute_module")
distribute_tensor = refused_function("torch.distributed.tensor.distribute_tensor")
