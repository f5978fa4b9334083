"""Imported by packages that describe their operations to PyTorch's compiler; see ``unspool.library``."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["get_ctx"]


def get_ctx() -> NoReturn:
    """Raise NotImplementedError: there are no sizes that stand for unknown numbers."""
    raise NotImplementedError(
        "torch._custom_ops.get_ctx is not implemented in unspool; functions for empty results are not called"
    )
