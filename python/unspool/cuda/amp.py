"""Mixed precision under its older names."""

from __future__ import annotations

from typing import Any

from unspool import _core, amp
from unspool.amp import custom_bwd, custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """``amp.autocast("cuda", ...)``."""

    def __init__(
        self, enabled: bool = True, dtype: _core.dtype = _core.float16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """``amp.GradScaler("cuda", ...)``: disabled, as there is no such device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("cuda", *args, **kwargs)
