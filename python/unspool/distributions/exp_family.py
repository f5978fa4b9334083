"""PyTorch's place of ``ExponentialFamily``."""

from __future__ import annotations

from unspool.distributions.distribution import ExponentialFamily

__all__ = ["ExponentialFamily"]
