"""Optimizers that share their state between processes: the class is there to be asked for."""

from __future__ import annotations

from typing import Any

from unspool.distributed._refused import refused_class
from unspool.optim import Optimizer

__all__ = ["DistributedOptimizer", "PostLocalSGDOptimizer", "ZeroRedundancyOptimizer"]

DistributedOptimizer = refused_class("torch.distributed.optim.DistributedOptimizer")
PostLocalSGDOptimizer = refused_class("torch.distributed.optim.PostLocalSGDOptimizer")


class ZeroRedundancyOptimizer(Optimizer):
    """No optimizer is one: making one raises RuntimeError."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(
            "torch.distributed.optim.ZeroRedundancyOptimizer: unspool has one process and no process "
            "groups; use the optimizer itself"
        )
