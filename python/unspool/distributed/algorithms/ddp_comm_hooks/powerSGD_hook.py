"""Gradients that are compressed between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = ["PowerSGDState", "batched_powerSGD_hook", "powerSGD_hook"]

PowerSGDState = refused_class("torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.PowerSGDState")
batched_powerSGD_hook = refused_function(
    "torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.batched_powerSGD_hook"
)
powerSGD_hook = refused_function("torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.powerSGD_hook")
