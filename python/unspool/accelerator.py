"""Accelerators: there is none, this build computes on the CPU."""

from __future__ import annotations

from typing import Any, NoReturn

from unspool._core import device

__all__ = [
    "current_accelerator",
    "current_device_index",
    "device_count",
    "empty_cache",
    "is_available",
    "set_device_index",
    "synchronize",
]


def is_available() -> bool:
    """Give False."""
    return False


def current_accelerator(check_available: bool = False) -> device | None:
    """Give None."""
    del check_available
    return None


def device_count() -> int:
    """Give 0."""
    return 0


def empty_cache() -> None:
    """Do nothing: there is no memory of an accelerator."""


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(
        f"torch.accelerator.{name}: there is no accelerator; ask torch.accelerator.is_available() first"
    )


def current_device_index() -> int:
    """Raise RuntimeError."""
    _refuse("current_device_index")


def set_device_index(device: Any, /) -> None:
    """Raise RuntimeError."""
    del device
    _refuse("set_device_index")


def synchronize(device: Any = None, /) -> None:
    """Raise RuntimeError."""
    del device
    _refuse("synchronize")
