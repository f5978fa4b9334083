"""Names of PyTorch's profiler. Regions can be named; recording them is refused by name."""

from __future__ import annotations

from contextlib import ContextDecorator
from types import TracebackType

from unspool._lazy import lazy

__all__ = ["record_function"]

__getattr__ = lazy(__name__)


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
