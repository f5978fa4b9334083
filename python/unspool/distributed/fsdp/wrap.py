"""How modules are split between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = [
    "CustomPolicy",
    "ModuleWrapPolicy",
    "always_wrap_policy",
    "enable_wrap",
    "lambda_auto_wrap_policy",
    "size_based_auto_wrap_policy",
    "transformer_auto_wrap_policy",
    "wrap",
]

CustomPolicy = refused_class("torch.distributed.fsdp.wrap.CustomPolicy")
ModuleWrapPolicy = refused_class("torch.distributed.fsdp.wrap.ModuleWrapPolicy")
always_wrap_policy = refused_function("torch.distributed.fsdp.wrap.always_wrap_policy")
enable_wrap = refused_function("torch.distributed.fsdp.wrap.enable_wrap")
lambda_auto_wrap_policy = refused_function("torch.distributed.fsdp.wrap.lambda_auto_wrap_policy")
size_based_auto_wrap_policy = refused_function("torch.distributed.fsdp.wrap.size_based_auto_wrap_policy")
transformer_auto_wrap_policy = refused_function("torch.distributed.fsdp.wrap.transformer_auto_wrap_policy")
wrap = refused_function("torch.distributed.fsdp.wrap.wrap")
