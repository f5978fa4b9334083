"""Marks on functions that would write a package's own operations to ONNX files, which are not written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["parse_args"]


def parse_args(*_kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give functions back as they are."""
    return _itself


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
