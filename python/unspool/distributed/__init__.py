"""Process groups, which do not exist here: training runs in one process.

What asks whether there are any answers no. What needs one raises a RuntimeError that names the function;
classes and functions for work that is split between processes raise a NotImplementedError when used.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NoReturn

from unspool._lazy import lazy as _on_demand

__all__ = [
    "GroupMember",
    "ProcessGroup",
    "ReduceOp",
    "all_gather",
    "all_gather_into_tensor",
    "all_gather_object",
    "all_reduce",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "destroy_process_group",
    "gather",
    "get_backend",
    "get_rank",
    "get_world_size",
    "group",
    "init_process_group",
    "irecv",
    "is_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "isend",
    "new_group",
    "recv",
    "reduce",
    "reduce_scatter",
    "scatter",
    "send",
]


__getattr__ = _on_demand(
    __name__,
    [
        "algorithms",
        "checkpoint",
        "constants",
        "device_mesh",
        "distributed_c10d",
        "fsdp",
        "nn",
        "optim",
        "rpc",
        "tensor",
    ],
    {"DeviceMesh": "unspool.distributed.device_mesh", "init_device_mesh": "unspool.distributed.device_mesh"},
)


class ReduceOp(enum.Enum):
    """How values of several processes are combined."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4


class ProcessGroup:
    """The class of process groups, of which there are none: making one raises RuntimeError."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(
            "torch.distributed.ProcessGroup: unspool trains in one process and has no process groups"
        )


class GroupMember:
    """Groups that scripts name."""

    WORLD: ProcessGroup | None = None


group = GroupMember


def is_available() -> bool:
    """Give False."""
    return False


def is_initialized() -> bool:
    """Give False."""
    return False


is_nccl_available = is_gloo_available = is_mpi_available = is_torchelastic_launched = is_available


def _refusing(name: str) -> Callable[..., NoReturn]:
    def function(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"torch.distributed.{name}: unspool trains in one process and has no process groups; run the "
            "script without a launcher, or ask torch.distributed.is_available() first"
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raise RuntimeError: there are no process groups."
    return function


all_gather = _refusing("all_gather")
all_gather_into_tensor = _refusing("all_gather_into_tensor")
all_gather_object = _refusing("all_gather_object")
all_reduce = _refusing("all_reduce")
barrier = _refusing("barrier")
broadcast = _refusing("broadcast")
broadcast_object_list = _refusing("broadcast_object_list")
destroy_process_group = _refusing("destroy_process_group")
gather = _refusing("gather")
get_backend = _refusing("get_backend")
get_rank = _refusing("get_rank")
get_world_size = _refusing("get_world_size")
init_process_group = _refusing("init_process_group")
irecv = _refusing("irecv")
isend = _refusing("isend")
new_group = _refusing("new_group")
recv = _refusing("recv")
reduce = _refusing("reduce")
reduce_scatter = _refusing("reduce_scatter")
scatter = _refusing("scatter")
send = _refusing("send")
