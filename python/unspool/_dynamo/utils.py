"""What packages ask PyTorch's recorder of bytecode before they use it."""

from __future__ import annotations

__all__ = ["is_compile_supported"]


def is_compile_supported(device_type: str) -> bool:
    """Whether ``compile`` takes functions for this kind of device."""
    return device_type == "cpu"
