"""Whether operations are recorded: context managers that are decorators too."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from unspool import _core

F = TypeVar("F", bound=Callable[..., Any])


class _Mode:
    """Sets the recording mode inside a ``with`` block or a decorated function."""

    enabled = False

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_core._set_grad_enabled(self.enabled))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._set_grad_enabled(self._before.pop())

    def clone(self) -> Self:
        """Make a manager of the same mode."""
        return type(self)()

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

    @overload
    def __new__(cls) -> Self: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        """Make a manager, or decorate the function at once."""
        made = super().__new__(cls)
        if function is None:
            return made
        _Mode.__init__(made)
        return made(function)


class no_grad(_BareMode):
    """Operations are not recorded: results do not require grad."""

    enabled = False


class enable_grad(_BareMode):
    """Operations are recorded, also inside ``no_grad``."""

    enabled = True


class set_grad_enabled(_Mode):
    """Set the mode at once; in a ``with`` block, until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = mode
        self._outer = _core._set_grad_enabled(mode)

    def __enter__(self) -> None:
        self._before.append(self._outer)
        _core._set_grad_enabled(self.mode)

    def clone(self) -> Self:
        """Make a manager of the same mode."""
        return type(self)(self.mode)

    def __call__(self, function: F) -> F:
        """Decorate a function: the mode then holds only while it runs."""
        _core._set_grad_enabled(self._outer)
        return super().__call__(function)

    def __repr__(self) -> str:
        return f"set_grad_enabled(mode={self.mode})"


class inference_mode(_Mode):
    """As ``no_grad``; ``inference_mode(False)`` records again."""

    def __new__(cls, mode: Any = True) -> Any:
        """Make a manager, or decorate the function at once."""
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        _Mode.__init__(made)
        made.mode = True
        return made(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode
        self._outer: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_core._set_grad_enabled(not self.mode))
        self._outer.append(_core._set_inference(self.mode))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._set_inference(self._outer.pop())
        super().__exit__(kind, error, trace)

    def clone(self) -> Self:
        """Make a manager of the same mode."""
        made: Self = type(self)(self.mode)
        return made
