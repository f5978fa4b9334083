"""Settings of modules that are split between processes: choices can be named, the rest raises when made."""

from __future__ import annotations

from enum import Enum, auto

from unspool.distributed._refused import refused_class

__all__ = [
    "BackwardPrefetch",
    "CPUOffload",
    "FullOptimStateDictConfig",
    "FullStateDictConfig",
    "LocalOptimStateDictConfig",
    "LocalStateDictConfig",
    "MixedPrecision",
    "OptimStateDictConfig",
    "ShardedOptimStateDictConfig",
    "ShardedStateDictConfig",
    "ShardingStrategy",
    "StateDictConfig",
    "StateDictSettings",
    "StateDictType",
]

CPUOffload = refused_class("torch.distributed.fsdp.CPUOffload")
FullOptimStateDictConfig = refused_class("torch.distributed.fsdp.FullOptimStateDictConfig")
FullStateDictConfig = refused_class("torch.distributed.fsdp.FullStateDictConfig")
LocalOptimStateDictConfig = refused_class("torch.distributed.fsdp.LocalOptimStateDictConfig")
LocalStateDictConfig = refused_class("torch.distributed.fsdp.LocalStateDictConfig")
MixedPrecision = refused_class("torch.distributed.fsdp.MixedPrecision")
OptimStateDictConfig = refused_class("torch.distributed.fsdp.OptimStateDictConfig")
ShardedOptimStateDictConfig = refused_class("torch.distributed.fsdp.ShardedOptimStateDictConfig")
ShardedStateDictConfig = refused_class("torch.distributed.fsdp.ShardedStateDictConfig")
StateDictConfig = refused_class("torch.distributed.fsdp.StateDictConfig")
StateDictSettings = refused_class("torch.distributed.fsdp.StateDictSettings")


class ShardingStrategy(Enum):
    """What of a module is split between processes."""

    FULL_SHARD = auto()
    SHARD_GRAD_OP = auto()
    NO_SHARD = auto()
    HYBRID_SHARD = auto()
    _HYBRID_SHARD_ZERO2 = auto()


class BackwardPrefetch(Enum):
    """When parts of a module are fetched in the backward pass."""

    BACKWARD_PRE = auto()
    BACKWARD_POST = auto()


class StateDictType(Enum):
    """The form of a state dict."""

    FULL_STATE_DICT = auto()
    LOCAL_STATE_DICT = auto()
    SHARDED_STATE_DICT = auto()
