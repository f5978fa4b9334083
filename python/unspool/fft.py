"""Fourier transforms, which need complex numbers: each name raises NotImplementedError and says so."""

from __future__ import annotations

from unspool._lazy import lazy

__all__: list[str] = []

__getattr__ = lazy(__name__)
