"""Calls of functions in other processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = [
    "RRef",
    "TensorPipeRpcBackendOptions",
    "get_worker_info",
    "init_rpc",
    "is_available",
    "remote",
    "rpc_async",
    "rpc_sync",
    "shutdown",
]

RRef = refused_class("torch.distributed.rpc.RRef")
TensorPipeRpcBackendOptions = refused_class("torch.distributed.rpc.TensorPipeRpcBackendOptions")
get_worker_info = refused_function("torch.distributed.rpc.get_worker_info")
init_rpc = refused_function("torch.distributed.rpc.init_rpc")
remote = refused_function("torch.distributed.rpc.remote")
rpc_async = refused_function("torch.distributed.rpc.rpc_async")
rpc_sync = refused_function("torch.distributed.rpc.rpc_sync")
shutdown = refused_function("torch.distributed.rpc.shutdown")


def is_available() -> bool:
    """Give False."""
    return False
