"""Patterns over dotted names: shell wildcards, or the name of a module for all that is below it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern means a name: "layer1" means "layer1" and "layer1.weight", "*.bias" every bias."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def select(caller: str, patterns: Sequence[str], names: Iterable[str], what: str) -> list[str]:
    """Give the names that any pattern means, in their own order.

    Raises:
        TypeError: a pattern that is no text.
        ValueError: a pattern that means none of them, with the nearest names.
    """
    every = list(names)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"{caller}: a pattern must be a str, got {type(pattern).__name__}")
        if not any(matches(pattern, name) for name in every):
            near = difflib.get_close_matches(pattern, _with_parents(every), n=3, cutoff=0.4) or every[:5]
            raise ValueError(f"{caller}: {pattern!r} means no {what}; there are for instance {near}")
    return [name for name in every if any(matches(pattern, name) for pattern in patterns)]


def _with_parents(names: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        found.update({".".join(parts[: i + 1]): None for i in range(len(parts))})
    return list(found)
