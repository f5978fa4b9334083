"""``unspool.checkpoint``: one part of a network keeps its inputs in place of its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from unspool import _core
from unspool._core import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def checkpoint(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``fn``, and keep what went into it instead of what its derivative needs.

    When the unwinding reaches the call, its operations, not the Python function, are run again: those that
    lead to the values that are read. So random numbers are the same, running statistics move once, and
    gradients have the bits that they have without ``checkpoint``, of any order, by ``backward`` or by
    ``autograd.grad``, to the arguments and to everything else that ``fn`` uses. Calls may be nested: the
    inner ones are dropped again while the outer one is recomputed.

    Where no gradients are recorded, and inside of a step that ``unspool.compile`` captures, this is a call
    of ``fn`` and nothing else. Values made under ``no_grad`` inside of ``fn`` are kept.

    Args:
        fn: any function.
        args: its arguments.
        kwargs: its arguments by name.

    Returns:
        What ``fn`` returns. Tensors in it (in tuples, lists and dicts at any depth) stay in memory as long
        as somebody reads them.

    Raises:
        RuntimeError: in the backward pass, when a tensor that ``fn`` read was changed in place in between.
    """
    if not _core._can_recompute():
        return fn(*args, **kwargs)
    region = _core._Region()
    results: list[Tensor] = []
    try:
        result = fn(*args, **kwargs)
        results.extend(tensors_in(result))
    finally:
        region.leave(results)
    return result


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in a value and in the tuples, lists and dicts that it is made of."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
