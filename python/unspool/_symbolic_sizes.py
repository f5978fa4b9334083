"""Numbers that stand for unknown sizes in PyTorch's compiler: packages ask whether one is, and none is."""

from __future__ import annotations

from unspool._refused import refused_class

__all__ = ["SymBool", "SymFloat", "SymInt"]

_WHY = ", whose programs are recorded for each shape"

SymBool = refused_class("torch.SymBool", _WHY)
SymFloat = refused_class("torch.SymFloat", _WHY)
SymInt = refused_class("torch.SymInt", _WHY)
