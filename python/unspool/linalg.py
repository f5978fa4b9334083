"""Linear algebra under PyTorch's ``linalg`` names."""

from __future__ import annotations

from unspool._core.linalg import *  # noqa: F403
from unspool._core.linalg import vector_norm as norm

__all__ = ["norm", "vector_norm"]  # noqa: F405
