"""How samples become a batch; scripts that extend it take it from here."""

from __future__ import annotations

from unspool.utils.data._collate import default_collate, default_convert

__all__ = ["default_collate", "default_convert"]
