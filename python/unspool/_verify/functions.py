"""Custom Functions under verification: what they were given is kept, and compared when they are unwound."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unspool import _core
from unspool._core import Tensor
from unspool._verify.case import Case, RandomState, unchanged
from unspool._verify.checks import check_hook
from unspool.autograd.function import Function

if TYPE_CHECKING:
    from unspool._verify import verify


class FunctionWatcher:
    """Is asked by ``Function.apply`` before forward, and stands between the tape and ``backward``."""

    def __init__(self, owner: verify) -> None:
        self._owner = owner
        self._thread = threading.get_ident()

    def called(self, cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Keep what a call needs to be repeated; None where it is not to be verified."""
        if threading.get_ident() != self._thread or not _core.is_grad_enabled():
            return None
        if cls in self._owner.exempt:
            return (cls, _core.current_scope(), None)
        if cls.verified_as == "nothing":
            return (cls, _core.current_scope(), None)
        with self._owner.paused(), _core.RecordingMode(False, False):
            values = [arg.detach().clone() if isinstance(arg, Tensor) else arg for arg in args]
        places = [
            i
            for i, arg in enumerate(args)
            if isinstance(arg, Tensor) and arg.requires_grad and arg.is_floating_point()
        ]
        states = RandomState()

        def function(arguments: list[Any], is_double: bool) -> list[Tensor]:
            del is_double
            if cls.verified_as == "identity":
                return [argument for argument in arguments if isinstance(argument, Tensor)]
            with unchanged(cls):
                states.restore()
                result = cls.apply(*arguments, **kwargs)
            outputs = result if isinstance(result, tuple) else (result,)
            return [output for output in outputs if isinstance(output, Tensor)]

        case = Case(cls.__name__, _core.current_scope(), _names(cls, len(args)), values, places, function)
        return (cls, case.module, case)

    def unwind(
        self, kept: Any, backward: Callable[..., list[Any]], node: Any, *cotangents: Tensor | None
    ) -> list[Any]:
        """Run a Function's backward, then compare what it gave."""
        if threading.get_ident() != self._thread:
            return backward(node, *cotangents)
        cls, module, case = kept
        with self._owner.paused(), _core.RecordingMode(False, False):
            copies = [None if each is None else each.detach().clone() for each in cotangents]
        result = backward(node, *cotangents)
        with self._owner.paused():
            self._owner.note(node, module, case, copies, result)
            if cls.verified_as == "identity":
                if self._owner.hooks:
                    self._compare_gate(module, copies, result)
            elif case is not None:
                with unchanged(cls):
                    self._owner.check(case, copies, result)
        return result

    def _compare_gate(self, module: str, cotangents: list[Tensor | None], result: list[Any]) -> None:
        self._owner.checked += 1
        for i, (given, left) in enumerate(zip(cotangents, result[1:], strict=True)):
            if given is not None and left is not None:
                check_hook("a backward hook", module, f"the module's gradient {i}", given, left)


def _names(cls: type[Function], count: int) -> list[str]:
    """Name the arguments of forward."""
    skipped = 1 if cls.setup_context is Function.setup_context else 0
    names: list[str] = []
    for name, parameter in list(inspect.signature(cls.forward).parameters.items())[skipped:]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{name}[{i}]" for i in range(count - len(names))]
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            names.append(name)
    return names + [str(i) for i in range(len(names), count)]
