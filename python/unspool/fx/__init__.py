"""Marks for PyTorch's symbolic tracer, which unspool has not: functions are given back as they are.

Programs are recorded by ``unspool.compile``, for which nothing needs to be marked.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "Proxy",
    "Tracer",
    "Transformer",
    "symbolic_trace",
    "wrap",
]


def wrap(fn_or_name: Any) -> Any:
    """Give the function itself, or its name."""
    return fn_or_name


def symbolic_trace(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    raise NotImplementedError("torch.fx.symbolic_trace is not implemented in unspool; use unspool.compile")


class _Absent:
    """A class that can be named in annotations and ``isinstance``, and has no objects."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(
            f"torch.fx.{type(self).__name__} is not implemented in unspool; use unspool.compile"
        )


class Graph(_Absent):
    """Stands for PyTorch's recorded graph."""


class GraphModule(_Absent):
    """Stands for PyTorch's module around a recorded graph."""


class Node(_Absent):
    """Stands for a node of PyTorch's recorded graph."""


class Proxy(_Absent):
    """Stands for PyTorch's placeholder of a value while it records."""


class Tracer(_Absent):
    """Stands for PyTorch's recorder."""


class Interpreter(_Absent):
    """Stands for PyTorch's walk over a recorded graph."""


class Transformer(Interpreter):
    """Stands for PyTorch's walk that makes another graph."""
