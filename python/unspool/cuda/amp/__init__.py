"""Mixed precision under its older names."""

from __future__ import annotations

from unspool.cuda.amp import autocast_mode, grad_scaler
from unspool.cuda.amp.autocast_mode import autocast, custom_bwd, custom_fwd
from unspool.cuda.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "autocast_mode", "custom_bwd", "custom_fwd", "grad_scaler"]
