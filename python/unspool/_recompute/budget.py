"""Amounts of memory as users write them, and what is in use."""

from __future__ import annotations

import re

from unspool import _core

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
HEADER = 64  # bytes that each block of the allocator takes besides its data


def bytes_of(amount: int | str, what: str = "memory_budget") -> int:
    """The number of bytes: an int, or a text such as "200 MB" (millions) or "1.5 GiB" (of 2^30).

    Raises:
        TypeError: neither an int nor a str.
        ValueError: not positive, or not such a text.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, str)):
        raise TypeError(f'{what}: expected bytes as an int, or a text like "200 MB", not {amount!r}')
    if isinstance(amount, int):
        count = amount
    else:
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)b?\s*", amount, re.IGNORECASE)
        if found is None or (found[3] and not found[2]):
            raise ValueError(f'{what}: expected a text like "200 MB", "1.5 GiB" or "4096", got {amount!r}')
        count = int(float(found[1]) * (_BINARY if found[3] else _UNITS)[found[2].lower()])
    if count <= 0:
        raise ValueError(f"{what}: must be positive, got {amount!r}")
    return count


def text_of(count: int) -> str:
    """Bytes for people, rounded up, so that the text is enough as a budget."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            tenths = -(-count * 10 // size)
            return f"{tenths // 10}.{tenths % 10} {unit}"
    return f"{count} B"


def allocated() -> int:
    """Bytes that the allocator has handed out."""
    return _core.memory_stats()["allocated_bytes"]


def peak() -> int:
    """The most of them at any time since the last reset."""
    return _core.memory_stats()["peak_allocated_bytes"]
