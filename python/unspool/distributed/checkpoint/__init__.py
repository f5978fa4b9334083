"""Files that several processes write together: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = [
    "FileSystemReader",
    "FileSystemWriter",
    "async_save",
    "load",
    "load_state_dict",
    "save",
    "save_state_dict",
]

FileSystemReader = refused_class("torch.distributed.checkpoint.FileSystemReader")
FileSystemWriter = refused_class("torch.distributed.checkpoint.FileSystemWriter")
async_save = refused_function("torch.distributed.checkpoint.async_save")
load = refused_function("torch.distributed.checkpoint.load")
load_state_dict = refused_function("torch.distributed.checkpoint.load_state_dict")
save = refused_function("torch.distributed.checkpoint.save")
save_state_dict = refused_function("torch.distributed.checkpoint.save_state_dict")
