"""Helpers around training: data sets and loaders, imported when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unspool._lazy import submodules

if TYPE_CHECKING:
    from unspool.utils import data
else:
    __getattr__ = submodules(__name__, ["data"])

__all__ = ["data"]
