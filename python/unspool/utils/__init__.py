"""Helpers around training, imported when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unspool._lazy import lazy

if TYPE_CHECKING:
    from unspool.utils import checkpoint, data, dlpack, hooks, tensorboard
else:
    __getattr__ = lazy(__name__, ["checkpoint", "data", "dlpack", "hooks", "tensorboard"])

__all__ = ["checkpoint", "data", "dlpack", "hooks", "tensorboard"]
