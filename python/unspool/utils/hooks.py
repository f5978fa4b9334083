"""Handles of hooks."""

from __future__ import annotations

from unspool._handle import RemovableHandle

__all__ = ["RemovableHandle"]
