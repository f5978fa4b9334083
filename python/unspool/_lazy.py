"""Modules that are imported when they are first asked for, so that importing the package stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from types import ModuleType


def submodules(package: str, names: Iterable[str]) -> Callable[[str], ModuleType]:
    """Make a module-level ``__getattr__`` that imports the named submodules of a package on demand."""
    known = frozenset(names)

    def __getattr__(name: str) -> ModuleType:
        if name in known:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
