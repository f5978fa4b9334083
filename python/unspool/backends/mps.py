"""Apple's GPU: not there."""

from __future__ import annotations


def is_available() -> bool:
    """Give False."""
    return False


def is_built() -> bool:
    """Give False."""
    return False
