"""Modules that are split between processes: the class is there to be asked for."""

from __future__ import annotations

from enum import Enum, auto

from unspool.distributed._refused import refused_class
from unspool.distributed.fsdp import api
from unspool.distributed.fsdp.api import *  # noqa: F403

__all__ = [*api.__all__, "FullyShardedDataParallel", "OptimStateKeyType"]

FullyShardedDataParallel = refused_class("torch.distributed.fsdp.FullyShardedDataParallel")


class OptimStateKeyType(Enum):
    """What the states of an optimizer are found by."""

    PARAM_NAME = auto()
    PARAM_ID = auto()
