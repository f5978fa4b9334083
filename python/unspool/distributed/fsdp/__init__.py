"""Modules that are split between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function
from unspool.distributed.fsdp import fully_sharded_data_parallel
from unspool.distributed.fsdp.fully_sharded_data_parallel import *  # noqa: F403

__all__ = [
    *fully_sharded_data_parallel.__all__,
    "CPUOffloadPolicy",
    "FSDPModule",
    "MixedPrecisionPolicy",
    "OffloadPolicy",
    "fully_shard",
    "register_fsdp_forward_method",
]

CPUOffloadPolicy = refused_class("torch.distributed.fsdp.CPUOffloadPolicy")
FSDPModule = refused_class("torch.distributed.fsdp.FSDPModule")
MixedPrecisionPolicy = refused_class("torch.distributed.fsdp.MixedPrecisionPolicy")
OffloadPolicy = refused_class("torch.distributed.fsdp.OffloadPolicy")
fully_shard = refused_function("torch.distributed.fsdp.fully_shard")
register_fsdp_forward_method = refused_function("torch.distributed.fsdp.register_fsdp_forward_method")
