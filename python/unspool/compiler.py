"""What scripts tell PyTorch's compiler about their functions.

A program of ``unspool.compile`` holds the whole call: nothing is left out of it and nothing is broken up, and
while it is recorded the code runs as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "reset",
]

F = TypeVar("F", bound=Callable[..., Any])


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Give the function itself, as a decorator with or without arguments: it is recorded with its caller.

    Args:
        fn: a function, class or module.
        recursive: has no effect.
        reason: has no effect.
    """
    del recursive, reason
    return fn if fn is not None else _itself


def allow_in_graph(fn: F) -> F:
    """Give the function itself."""
    return fn


def assume_constant_result(fn: F) -> F:
    """Give the function itself."""
    return fn


def is_compiling() -> bool:
    """Give False: code runs as usual while it is recorded, and does not run when it is replayed."""
    return False


def is_dynamo_compiling() -> bool:
    """Give False."""
    return False


def is_exporting() -> bool:
    """Give False."""
    return False


def cudagraph_mark_step_begin() -> None:
    """Do nothing: results of a replay are never overwritten by the next one."""


def reset() -> None:
    """Do nothing: a program that no longer fits is recorded anew in any case."""


def _itself(function: F) -> F:
    return function
