"""Names for tensors that are split between processes; using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_function

__all__ = ["implicit_replication"]

implicit_replication = refused_function("torch.distributed.tensor.experimental.implicit_replication")
