"""Intel GPUs, which are not supported: questions are answered, seeds are accepted."""

from __future__ import annotations

from unspool._absent import *  # noqa: F403
from unspool._absent import __all__ as __all__
from unspool._lazy import lazy as _on_demand

__getattr__ = _on_demand(__name__)
