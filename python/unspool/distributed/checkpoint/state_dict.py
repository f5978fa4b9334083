"""State dicts of modules that are split between processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = [
    "StateDictOptions",
    "get_model_state_dict",
    "get_optimizer_state_dict",
    "get_state_dict",
    "set_model_state_dict",
    "set_optimizer_state_dict",
    "set_state_dict",
]

StateDictOptions = refused_class("torch.distributed.checkpoint.state_dict.StateDictOptions")
get_model_state_dict = refused_function("torch.distributed.checkpoint.state_dict.get_model_state_dict")
get_optimizer_state_dict = refused_function(
    "torch.distributed.checkpoint.state_dict.get_optimizer_state_dict"
)
get_state_dict = refused_function("torch.distributed.checkpoint.state_dict.get_state_dict")
set_model_state_dict = refused_function("torch.distributed.checkpoint.state_dict.set_model_state_dict")
set_optimizer_state_dict = refused_function(
    "torch.distributed.checkpoint.state_dict.set_optimizer_state_dict"
)
set_state_dict = refused_function("torch.distributed.checkpoint.state_dict.set_state_dict")
