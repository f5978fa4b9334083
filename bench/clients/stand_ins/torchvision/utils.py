"""Pictures that nobody looks at."""

from __future__ import annotations

from typing import Any


def save_image(*_args: Any, **_kwargs: Any) -> None:
    """Write nothing."""


def make_grid(tensor: Any, *_args: Any, **_kwargs: Any) -> Any:
    """Give the images as they are."""
    return tensor
