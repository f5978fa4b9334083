"""Quantization of models, which unspool does not have: names can be imported, and raise when used."""

from __future__ import annotations

from unspool.ao import quantization

__all__ = ["quantization"]
