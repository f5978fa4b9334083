"""Modules that several processes train together: the class is there to be asked for."""

from __future__ import annotations

from typing import Any

from unspool.nn.modules import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Raises RuntimeError when it is made: there are no process groups."""

    def __init__(self, module: Module, *_args: Any, **_kwargs: Any) -> None:
        del module
        raise RuntimeError(
            "torch.nn.parallel.DistributedDataParallel: unspool trains in one process and has no process "
            "groups; use the module itself"
        )
