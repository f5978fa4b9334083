"""The place in PyTorch that the names of ``unspool.distributed`` come from."""

from __future__ import annotations

from unspool.distributed import *  # noqa: F403
from unspool.distributed import __all__ as __all__
from unspool.distributed._refused import refused_function

_get_default_group = refused_function("torch.distributed.distributed_c10d._get_default_group")
