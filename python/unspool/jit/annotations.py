"""Types for annotations of functions that TorchScript would compile; they are run as they are."""

from __future__ import annotations

from typing import Any, Optional, Union

__all__ = [
    "Any",
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Dict",
    "List",
    "Optional",
    "Tuple",
    "Union",
]

Dict, List, Tuple = dict, list, tuple


class _BroadcastingList:
    """A list of numbers, for which TorchScript also takes one number."""

    def __getitem__(self, types: Any) -> None:
        """Give nothing: annotations are not read."""
        del types


BroadcastingList1 = _BroadcastingList()
BroadcastingList2 = _BroadcastingList()
BroadcastingList3 = _BroadcastingList()
