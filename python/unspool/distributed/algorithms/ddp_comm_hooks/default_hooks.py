"""How gradients are combined between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_function

__all__ = [
    "allreduce_hook",
    "bf16_compress_hook",
    "bf16_compress_wrapper",
    "fp16_compress_hook",
    "fp16_compress_wrapper",
]

allreduce_hook = refused_function("torch.distributed.algorithms.ddp_comm_hooks.default_hooks.allreduce_hook")
bf16_compress_hook = refused_function(
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks.bf16_compress_hook"
)
bf16_compress_wrapper = refused_function(
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks.bf16_compress_wrapper"
)
fp16_compress_hook = refused_function(
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks.fp16_compress_hook"
)
fp16_compress_wrapper = refused_function(
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks.fp16_compress_wrapper"
)
