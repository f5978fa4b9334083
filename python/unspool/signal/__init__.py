"""Signal processing: window functions."""

from __future__ import annotations

from unspool.signal import windows

__all__ = ["windows"]
