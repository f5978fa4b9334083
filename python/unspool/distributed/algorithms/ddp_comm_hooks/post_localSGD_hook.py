"""Steps of single processes between exchanges: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = ["PostLocalSGDState", "post_localSGD_hook"]

PostLocalSGDState = refused_class(
    "torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook.PostLocalSGDState"
)
post_localSGD_hook = refused_function(
    "torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook.post_localSGD_hook"
)
