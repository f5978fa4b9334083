"""The library of that name: not used."""

from __future__ import annotations


def is_available() -> bool:
    """Give False."""
    return False
