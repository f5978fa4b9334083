"""Optimizers that share their state between processes: the class is there to be asked for."""

from __future__ import annotations

from typing import Any

from unspool.optim import Optimizer

__all__ = ["ZeroRedundancyOptimizer"]


class ZeroRedundancyOptimizer(Optimizer):
    """No optimizer is one: making one raises RuntimeError."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(
            "torch.distributed.optim.ZeroRedundancyOptimizer: unspool has one process and no process "
            "groups; use the optimizer itself"
        )
