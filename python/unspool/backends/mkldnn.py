"""The library of that name: not used."""

from __future__ import annotations

enabled: bool = False


def is_available() -> bool:
    """Give False."""
    return False
