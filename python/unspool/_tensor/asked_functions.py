"""Functions that Python composes of operations, and that ask derived classes themselves, as operations do.

A class is then asked about the function that was called and not about each operation in it, and what the
function makes by other means gets the class too. The functions are replaced where they are found by name, and
only when the first such class is made: until then nobody pays for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

__all__ = ["offer", "replace"]

Wrap = Callable[[FunctionType], Any]

# What is about an object rather than its elements.
_UNASKED = {"is_storage", "is_tensor", "typename"}
_HOMES = ("unspool._functions.", "unspool.nn._functional.", "unspool.linalg.", "unspool.special")

_offered: list[tuple[dict[str, Any], list[str]]] = []
_replaced: dict[FunctionType, Any] = {}
_wrap: Wrap | None = None


def offer(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Let functions of a namespace ask, at once or when the first class is there to be asked.

    Args:
        namespace: of a module.
        names: in it; those that are no functions composed in Python are left alone.
    """
    _offered.append((namespace, list(names)))
    if _wrap is not None:
        _replace_in(*_offered[-1])


def replace(wrap: Wrap) -> None:
    """Put ``wrap(function)`` in the place of every function that was or will be offered."""
    global _wrap
    _wrap = wrap
    for namespace, names in _offered:
        _replace_in(namespace, names)


def _replace_in(namespace: dict[str, Any], names: list[str]) -> None:
    for name in names:
        function = namespace.get(name)
        if isinstance(function, FunctionType) and _asks(function):
            namespace[name] = _replacement(function)


def _asks(function: FunctionType) -> bool:
    is_composed = function.__module__.startswith(_HOMES) and function not in _replaced.values()
    return is_composed and function.__name__ not in _UNASKED


def _replacement(function: FunctionType) -> Any:
    if function not in _replaced:
        assert _wrap is not None
        _replaced[function] = _wrap(function)
        # Also where it is defined: by that name it is pickled.
        home = vars(sys.modules[function.__module__])
        if home.get(function.__name__) is function:
            home[function.__name__] = _replaced[function]
    return _replaced[function]
