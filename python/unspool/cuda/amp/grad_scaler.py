"""``GradScaler`` for a device that is named in its module and not in its arguments."""

from __future__ import annotations

from typing import Any

from unspool import amp

__all__ = ["GradScaler"]


class GradScaler(amp.GradScaler):
    """``amp.GradScaler("cuda", ...)``: disabled, as there is no such device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("cuda", *args, **kwargs)
