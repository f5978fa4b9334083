"""The older place of ``distributed.fsdp.fully_shard``."""

from __future__ import annotations

from unspool.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

__all__ = ["FSDPModule", "MixedPrecisionPolicy", "fully_shard"]
