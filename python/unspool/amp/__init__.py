"""Mixed precision: ``autocast`` and ``GradScaler``."""

from __future__ import annotations

from unspool.amp import autocast_mode, grad_scaler
from unspool.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from unspool.amp.grad_scaler import GradScaler

__all__ = [
    "GradScaler",
    "autocast",
    "autocast_mode",
    "custom_bwd",
    "custom_fwd",
    "grad_scaler",
    "is_autocast_available",
]
