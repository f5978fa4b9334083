"""Names of PyTorch's profiler. Regions can be named; recording them is refused by name."""

from __future__ import annotations

from contextlib import ContextDecorator
from enum import Enum, auto
from types import TracebackType
from typing import Any, NoReturn

from unspool._lazy import lazy as _on_demand
from unspool._lazy import unsupported

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "tensorboard_trace_handler",
]

__getattr__ = _on_demand(__name__)


class record_function(ContextDecorator):
    """A region with a name, as context manager or decorator; nothing is recorded.

    Args:
        name: of the region.
        args: accepted.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args

    def __enter__(self) -> record_function:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class ProfilerAction(Enum):
    """What a profiler would do in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class ProfilerActivity(Enum):
    """Where a profiler would look."""

    CPU = auto()
    CUDA = auto()
    XPU = auto()


class profile:
    """Raises NotImplementedError when it is made: nothing is recorded."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(unsupported("torch.profiler.profile"))


def kineto_available() -> bool:
    """Give False: there is no library that records."""
    return False


def schedule(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError: there are no steps to record."""
    raise NotImplementedError(unsupported("torch.profiler.schedule"))


def tensorboard_trace_handler(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError: there are no records to write."""
    raise NotImplementedError(unsupported("torch.profiler.tensorboard_trace_handler"))
