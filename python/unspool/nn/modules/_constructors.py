"""What the constructors of modules take: arguments are looked at before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unspool.nn._checked import checked
from unspool.nn.modules.module import Module

__all__ = ["check_constructors"]


def _library_name(module: Module, *_: Any) -> str:
    """The name of the module's first class that is not the user's."""
    return next(each.__name__ for each in type(module).__mro__ if each.__module__.startswith("unspool."))


def check_constructors(classes: Iterable[type[Module]]) -> None:
    """Make the constructors of the classes look at their arguments; those that they share, once."""
    for each in classes:
        owner = next(base for base in each.__mro__ if "__init__" in vars(base))
        construct = vars(owner)["__init__"]
        if owner is not Module and not hasattr(construct, "__wrapped__"):
            owner.__init__ = checked(construct, _library_name, first=1)  # type: ignore[misc]
