"""What scripts tell PyTorch's recorder of bytecode, which unspool has not; see ``unspool.compile``.

Marks are accepted, settings can be set and have no effect.
"""

from __future__ import annotations

from typing import Any

from unspool._dynamo import config, exc
from unspool.compiler import allow_in_graph, assume_constant_result, disable, is_compiling, reset
from unspool.nn.modules.module import Module

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "exc",
    "graph_break",
    "is_compiling",
    "mark_dynamic",
    "mark_static",
    "mark_static_address",
    "maybe_mark_dynamic",
    "reset",
]


class OptimizedModule(Module):
    """For ``isinstance``: no module is one, as ``unspool.compile`` gives modules back that are their own."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(
            "torch._dynamo.OptimizedModule is not implemented in unspool; use unspool.compile"
        )


def graph_break(msg: str = "") -> None:
    """Do nothing: a recorded step is never broken up."""
    del msg


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Do nothing: parameters and states of a recorded step are found where they are."""
    del t, guard


def mark_static(t: Any, index: Any = None) -> None:
    """Do nothing: programs are kept by shape in any case."""
    del t, index


def mark_dynamic(t: Any, index: Any = None, **_options: Any) -> None:
    """Do nothing: a program is recorded for each shape."""
    del t, index


def maybe_mark_dynamic(t: Any, index: Any = None) -> None:
    """Do nothing: a program is recorded for each shape."""
    del t, index
