"""The older place of ``unspool.profiler``: regions can be named; recording them is refused by name."""

from __future__ import annotations

from typing import Any

from unspool._lazy import lazy as _on_demand
from unspool._lazy import unsupported
from unspool.profiler import record_function

__all__ = ["EventList", "emit_nvtx", "profile", "record_function"]

__getattr__ = _on_demand(__name__)


class EventList(list[Any]):
    """A list of recorded events: there are none, so making one raises NotImplementedError."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(unsupported("torch.autograd.profiler.EventList"))


class profile:
    """Raises NotImplementedError when it is made: nothing is recorded."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(unsupported("torch.autograd.profiler.profile"))


class emit_nvtx:
    """Raises NotImplementedError when it is made: there is no GPU whose profiler could be told."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(unsupported("torch.autograd.profiler.emit_nvtx"))
