"""How gradients travel between processes: the modules are there, and using what is in them raises."""

from __future__ import annotations

from unspool.distributed.algorithms.ddp_comm_hooks import default_hooks, post_localSGD_hook, powerSGD_hook

__all__ = ["default_hooks", "post_localSGD_hook", "powerSGD_hook"]
