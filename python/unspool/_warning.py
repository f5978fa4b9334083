"""Warnings that point at the line of the user's program, however deep in the package they are raised."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn"]


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the innermost call that comes from outside of this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "unspool":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
