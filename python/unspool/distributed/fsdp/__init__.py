"""Modules that are split between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function
from unspool.distributed.fsdp.fully_sharded_data_parallel import (
    BackwardPrefetch,
    CPUOffload,
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel,
    LocalOptimStateDictConfig,
    LocalStateDictConfig,
    MixedPrecision,
    OptimStateDictConfig,
    OptimStateKeyType,
    ShardedOptimStateDictConfig,
    ShardedStateDictConfig,
    ShardingStrategy,
    StateDictConfig,
    StateDictSettings,
    StateDictType,
)

__all__ = [
    "BackwardPrefetch",
    "CPUOffload",
    "CPUOffloadPolicy",
    "FSDPModule",
    "FullOptimStateDictConfig",
    "FullStateDictConfig",
    "FullyShardedDataParallel",
    "LocalOptimStateDictConfig",
    "LocalStateDictConfig",
    "MixedPrecision",
    "MixedPrecisionPolicy",
    "OffloadPolicy",
    "OptimStateDictConfig",
    "OptimStateKeyType",
    "ShardedOptimStateDictConfig",
    "ShardedStateDictConfig",
    "ShardingStrategy",
    "StateDictConfig",
    "StateDictSettings",
    "StateDictType",
    "fully_shard",
    "register_fsdp_forward_method",
]

CPUOffloadPolicy = refused_class("torch.distributed.fsdp.CPUOffloadPolicy")
FSDPModule = refused_class("torch.distributed.fsdp.FSDPModule")
MixedPrecisionPolicy = refused_class("torch.distributed.fsdp.MixedPrecisionPolicy")
OffloadPolicy = refused_class("torch.distributed.fsdp.OffloadPolicy")
fully_shard = refused_function("torch.distributed.fsdp.fully_shard")
register_fsdp_forward_method = refused_function("torch.distributed.fsdp.register_fsdp_forward_method")
