"""Recomputation of activations under the names and signatures of ``torch.utils.checkpoint``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from unspool import _core
from unspool._core import Tensor
from unspool._recompute.dropping import checkpoint as _checkpoint
from unspool._recompute.dropping import tensors_in
from unspool._warning import warn
from unspool.autograd.grad_mode import no_grad
from unspool.nn.modules.container import Sequential

__all__ = [
    "checkpoint",
    "checkpoint_sequential",
    "get_device_states",
    "noop_context_fn",
    "set_device_states",
]

_Contexts = tuple[contextlib.AbstractContextManager[Any], contextlib.AbstractContextManager[Any]]


def noop_context_fn() -> _Contexts:
    """Two context managers that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def get_device_states(*_args: Any) -> tuple[list[int], list[Tensor]]:
    """Devices that the tensors among the arguments are on, and their generators' states: there are none."""
    return [], []


def set_device_states(devices: Sequence[int], states: Sequence[Tensor], **_options: Any) -> None:
    """Put states back that ``get_device_states`` gave, which are none."""
    if len(devices) or len(states):
        raise RuntimeError(
            "set_device_states: there are no devices with generators of their own; use set_rng_state"
        )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], _Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call ``function`` and recompute its activations in the backward pass; see ``unspool.checkpoint``.

    Recorded operations are run again, not the Python function, so they cannot differ from the first time
    and stop where nothing more is read: ``determinism_check``, ``debug`` and ``early_stop`` need nothing
    done, and random numbers are the same whatever ``preserve_rng_state`` says.

    Args:
        function: what to call.
        args: its arguments.
        use_reentrant: True asks for the restrictions that PyTorch's older variant has: no keyword arguments,
            and no gradients at all when no argument requires one. None and False ask for none of them.
        context_fn: only the default; there is no second run of Python code that a context could surround.
        determinism_check: "default" or "none".
        debug: accepted.
        early_stop: accepted.
        kwargs: arguments of ``function`` by name, and ``preserve_rng_state``.

    Raises:
        ValueError: ``use_reentrant=True`` with keyword arguments or ``debug``, or an unknown
            ``determinism_check``.
        NotImplementedError: another ``context_fn``.
    """
    del early_stop
    kwargs.pop("preserve_rng_state", None)
    if determinism_check not in ("default", "none"):
        raise ValueError(f'determinism_check should be "default" or "none", not {determinism_check!r}')
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant and (debug or context_fn is not noop_context_fn):
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    if context_fn is not noop_context_fn:
        raise NotImplementedError(
            "checkpoint: context_fn: recorded operations are run again, not the Python function, so there is "
            "nothing for a context to surround; enter it inside of the function"
        )
    if use_reentrant and _core.is_grad_enabled() and not any(t.requires_grad for t in tensors_in(args)):
        warn("None of the inputs have requires_grad=True. Gradients will be None")
        with no_grad():
            return function(*args)
    return _checkpoint(function, *args, **kwargs)


def checkpoint_sequential(
    functions: Sequential | Sequence[Callable[[Any], Any]],
    segments: int,
    input: Tensor,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Call functions one after another, in segments of which all but the last are recomputed.

    ``unspool.checkpoint_sequential`` chooses the segments itself, by a budget of memory.

    Args:
        functions: a Sequential, or functions of one argument.
        segments: how many; functions are dealt out evenly, and the last segment takes the rest.
        input: the argument of the first.
        use_reentrant: as for ``checkpoint``.
        kwargs: ``preserve_rng_state``, which changes nothing.

    Raises:
        ValueError: ``segments`` is not between 1 and the number of functions, or other keyword arguments.
    """
    kwargs.pop("preserve_rng_state", None)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps = list(functions.children()) if isinstance(functions, Sequential) else list(functions)
    if not 1 <= segments <= len(steps):
        raise ValueError(
            f"checkpoint_sequential: segments must be between 1 and the {len(steps)} functions, "
            f"got {segments}"
        )

    def run(first: int, last: int) -> Callable[[Any], Any]:
        def part(value: Any) -> Any:
            for step in steps[first:last]:
                value = step(value)
            return value

        return part

    size = len(steps) // segments
    value: Any = input
    for first in range(0, size * (segments - 1), size):
        value = checkpoint(run(first, first + size), value, use_reentrant=use_reentrant)
    return run(size * (segments - 1), len(steps))(value)
