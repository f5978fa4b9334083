"""Whether operations are recorded: context managers that are decorators too."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, Self, TypeVar, overload

import numpy as np

from unspool import _core

F = TypeVar("F", bound=Callable[..., Any])

_new: Any = _core.RecordingMode.__new__


class _Mode(_core.RecordingMode):
    """Sets the recording mode inside a ``with`` block or a decorated function."""

    def clone(self) -> Self:
        """Make a manager of the same mode."""
        kind: Any = type(self)
        made: Self = kind()
        return made

    def __call__(self, function: F) -> F:
        """Decorate a function or generator function."""
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            running = function(*args, **kwargs)
            sent: Any = None
            while True:
                # The mode holds while the generator runs, not while its consumer does.
                with self.clone():
                    try:
                        value = running.send(sent)
                    except StopIteration as stop:
                        return stop.value
                sent = yield value

        return wrapped


class _BareMode(_Mode):
    """A mode that also decorates without parentheses: ``@no_grad``."""

    enabled = False

    @overload
    def __new__(cls) -> Self: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        """Make a manager, or decorate the function at once."""
        made = _new(cls, cls.enabled, False)
        return made if function is None else made(function)


class no_grad(_BareMode):
    """Operations are not recorded: results do not require grad."""

    enabled = False


class enable_grad(_BareMode):
    """Operations are recorded, also inside ``no_grad``."""

    enabled = True


class set_grad_enabled(_Mode):
    """Set the mode at once; in a ``with`` block, until its end."""

    def __new__(cls, mode: bool) -> Self:
        """Make a manager and set its mode."""
        if not isinstance(mode, (bool, np.bool_)):
            raise TypeError(f"set_grad_enabled: mode must be a bool, not {type(mode).__name__}")
        made: Self = _new(cls, mode, False)
        made.__enter__()
        return made

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._is_set = True

    def __enter__(self) -> None:
        if not self.__dict__.pop("_is_set", False):
            super().__enter__()

    def clone(self) -> Self:
        """Make a manager of the same mode."""
        return type(self)(self.mode)

    def __call__(self, function: F) -> F:
        """Decorate a function: the mode then holds only while it runs."""
        self.__exit__(None, None, None)
        return super().__call__(function)

    def __repr__(self) -> str:
        return f"set_grad_enabled(mode={self.mode})"


class inference_mode(_Mode):
    """As ``no_grad``; ``inference_mode(False)`` records again."""

    def __new__(cls, mode: Any = True) -> Any:
        """Make a manager, or decorate the function at once."""
        if isinstance(mode, bool):
            return _new(cls, not mode, True)
        return _new(cls, False, True)(mode)

    @property
    def mode(self) -> bool:
        """Whether nothing is recorded inside."""
        return not self._records

    def clone(self) -> Self:
        """Make a manager of the same mode."""
        made: Self = type(self)(self.mode)
        return made
