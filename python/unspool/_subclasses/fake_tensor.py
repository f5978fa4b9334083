"""Tensors without elements: packages ask whether something is one, which nothing is."""

from __future__ import annotations

from typing import Any

from unspool._refused import refused_class

__all__ = ["FakeTensor", "FakeTensorMode", "is_fake"]

_WHY = ", which has no tensors without elements"

FakeTensor = refused_class("torch._subclasses.fake_tensor.FakeTensor", _WHY)
FakeTensorMode = refused_class("torch._subclasses.fake_tensor.FakeTensorMode", _WHY)


def is_fake(x: Any) -> bool:
    """Give False."""
    del x
    return False
