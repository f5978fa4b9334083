"""Names of TorchScript. Nothing is compiled: a scripted or traced function is the function itself.

Calling it gives the same values, for all inputs and not only for those it was traced with. Programs are
neither saved nor loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from unspool.nn.modules import Module

__all__ = [
    "Final",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "export",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "load",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "trace_module",
    "unused",
]

T = TypeVar("T")


class ScriptModule(Module):
    """A module whose class was written as a program. ``script`` and ``trace`` give modules as they are."""


class ScriptFunction:
    """For ``isinstance``: no function is one, as ``script`` and ``trace`` give functions as they are."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(
            "torch.jit.ScriptFunction is not implemented in unspool; functions run as they are"
        )


def script(obj: T, *_args: Any, **_kwargs: Any) -> T:
    """Give the function, class or module itself."""
    return obj


def trace(func: T, example_inputs: Any = None, *_args: Any, **_kwargs: Any) -> T:
    """Give the function or module itself; it is not run."""
    del example_inputs
    return func


def trace_module(mod: T, inputs: Any = None, *_args: Any, **_kwargs: Any) -> T:
    """Give the module itself."""
    del inputs
    return mod


def freeze(mod: T, *_args: Any, **_kwargs: Any) -> T:
    """Give the module itself."""
    return mod


def export(fn: T) -> T:
    """Give the function itself."""
    return fn


def script_if_tracing(fn: T) -> T:
    """Give the function itself."""
    return fn


_script_if_tracing = script_if_tracing


def script_method(fn: T) -> T:
    """Give the method itself."""
    return fn


def interface(obj: T) -> T:
    """Give the class itself."""
    return obj


def unused(fn: T) -> T:
    """Give the function itself."""
    return fn


def ignore(drop: Any = False, **_kwargs: Any) -> Any:
    """Give the function itself, as a decorator with or without arguments."""
    return drop if callable(drop) else _itself


def _itself(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


def _overload(fn: T) -> T:
    """Give the declaration itself; the definition that follows it replaces it."""
    return fn


_overload_method = _overload


def annotate(the_type: Any, the_value: T) -> T:
    """Give the value."""
    del the_type
    return the_value


def is_scripting() -> bool:
    """Give False."""
    return False


def is_tracing() -> bool:
    """Give False."""
    return False


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.jit.{name} is not implemented in unspool; save and load the state_dict() instead"
    )


def save(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("save")


def load(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("load")
