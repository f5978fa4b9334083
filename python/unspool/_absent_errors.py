"""Errors that PyTorch raises for devices. Scripts catch them by name; here nothing raises them."""

from __future__ import annotations

__all__ = ["AcceleratorError", "OutOfMemoryError"]


class OutOfMemoryError(RuntimeError):
    """A device has no memory left. Memory of the computer that is used up is Python's MemoryError."""


class AcceleratorError(RuntimeError):
    """A device failed."""


for _class in (OutOfMemoryError, AcceleratorError):
    _class.__module__ = "unspool"
