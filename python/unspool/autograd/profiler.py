"""The older place of ``unspool.profiler``."""

from __future__ import annotations

from unspool._lazy import lazy
from unspool.profiler import record_function

__all__ = ["record_function"]

__getattr__ = lazy(__name__)
