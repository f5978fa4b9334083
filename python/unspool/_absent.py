"""What every kind of device answers that is not there: questions get an answer, seeds are accepted."""

from __future__ import annotations

__all__ = ["current_allocated_memory", "device_count", "empty_cache", "is_available", "manual_seed", "seed"]


def is_available() -> bool:
    """Give False."""
    return False


def device_count() -> int:
    """Give 0."""
    return 0


def current_allocated_memory() -> int:
    """Give 0 bytes."""
    return 0


def empty_cache() -> None:
    """Do nothing: there is no memory of a device."""


def manual_seed(seed: int) -> None:
    """Accept a seed for generators that do not exist."""
    del seed


def seed() -> None:
    """Do nothing: there is no generator."""
