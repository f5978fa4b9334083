"""Tensors without elements, with which PyTorch's compiler computes shapes; there are none here."""

from __future__ import annotations

from unspool._subclasses.fake_tensor import FakeTensor, FakeTensorMode

__all__ = ["FakeTensor", "FakeTensorMode"]
