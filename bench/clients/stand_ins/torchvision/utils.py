"""Pictures that nobody looks at."""

from __future__ import annotations

from typing import Any

import torch


def save_image(*_args: Any, **_kwargs: Any) -> None:
    """Write nothing."""


def make_grid(tensor: Any, *_args: Any, **_kwargs: Any) -> Any:
    """Give the images (n, 1 or 3, height, width) in one row of three colours."""
    return torch.cat(list(tensor), 2).expand(3, -1, -1)
