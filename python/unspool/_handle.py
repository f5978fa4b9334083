"""Handles by which hooks on tensors are taken back."""

from __future__ import annotations

from types import TracebackType

from unspool import _core
from unspool._core import Node


class RemovableHandle:
    """Removes a hook: by ``remove()``, or at the end of a ``with`` block."""

    def __init__(self, node: Node, id: int) -> None:
        self._node = node
        self.id = id

    def remove(self) -> None:
        """Take the hook back; doing it twice changes nothing."""
        _core._remove_hook(self._node, self.id)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
