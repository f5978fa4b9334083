"""Switches of cuDNN: they can be set and read, and change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

enabled: bool = True
benchmark: bool = False
benchmark_limit: int = 10
deterministic: bool = False
allow_tf32: bool = True


def is_available() -> bool:
    """Give False."""
    return False


def version() -> None:
    """Give None."""
    return


def is_acceptable(tensor: Any) -> bool:
    """Give False."""
    del tensor
    return False


@contextlib.contextmanager
def flags(**settings: Any) -> Iterator[None]:
    """Set switches within a ``with`` block."""
    before = {name: globals()[name] for name in settings}
    globals().update(settings)
    try:
        yield
    finally:
        globals().update(before)
