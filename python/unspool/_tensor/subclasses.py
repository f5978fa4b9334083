"""Classes derived from Tensor: what is computed from their objects is of the same class.

An operation that is given such an object asks the class's ``__torch_function__(function, types, args,
kwargs)``. Tensor's own runs the function as for plain tensors and gives the class to tensors that come out.
A class that overrides it sees every operation and method; one whose ``__torch_function__`` is
``_disabled_torch_function_impl``, as that of ``Parameter``, is left alone: results are plain tensors.

Plain tensors pay nothing until the first such class is made. From then on operations look for its objects
(``cpp/bind/subclass.cc``), and so do methods and functions that are written in Python.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from unspool import _core
from unspool._core import Tensor, ops
from unspool._tensor import asked_functions

__all__ = ["DisableTorchFunctionSubclass", "attach", "disabled_torch_function", "dispatch", "is_asked"]


class DisableTorchFunctionSubclass:
    """A region in which no class derived from Tensor is asked: results are plain tensors."""

    def __enter__(self) -> None:
        self._asked = _core._ask_subclasses(False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._ask_subclasses(self._asked)


def _disabled(
    cls: type, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """Run the function as for plain tensors: results do not keep the class."""
    del cls, types
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


disabled_torch_function: Any = classmethod(_disabled)


def is_asked(kind: type) -> bool:
    """Whether objects of the class say what functions mean for them."""
    if issubclass(kind, Tensor):
        return getattr(kind, "_keeps_class", False)
    return hasattr(kind, "__torch_function__")


def _asked_types(args: Iterable[Any], kwargs: dict[str, Any]) -> list[type]:
    """The classes to ask, derived ones before those that they derive from, else in order."""
    found: list[type] = []
    for value in (*args, *kwargs.values()):
        for each in value if isinstance(value, list | tuple) else (value,):
            kind = type(each)
            if kind is not Tensor and kind not in found and is_asked(kind):
                place = next((i for i, other in enumerate(found) if issubclass(kind, other)), len(found))
                found.insert(place, kind)
    return found


def dispatch(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the arguments' classes say what the function means for them.

    Raises:
        TypeError: all of them return NotImplemented.
    """
    types = _asked_types(args, kwargs)
    name = getattr(func, "__name__", func)
    for kind in types:
        if getattr(kind.__torch_function__, "__func__", None) is not torch_function:  # type: ignore[attr-defined]
            _core.refuse_capture(
                f"{name}: {kind.__name__}.__torch_function__ is Python code that a replay would not run; "
                "give the step x.as_subclass(unspool.Tensor)"
            )
        answer = kind.__torch_function__(func, tuple(types), args, kwargs)  # type: ignore[attr-defined]
        if answer is not NotImplemented:
            return answer
    names = ", ".join(kind.__name__ for kind in types)
    raise TypeError(f"{name}: no implementation for arguments of {names}")


def _converted(result: Any, cls: type[Tensor]) -> Any:
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) else result.as_subclass(cls)
    if isinstance(result, tuple | list):
        make: Any = getattr(type(result), "_make", type(result))  # named tuples take their fields one by one
        return make([_converted(each, cls) for each in result])
    return result


def torch_function(
    cls: type[Tensor],
    func: Callable[..., Any],
    types: Iterable[type],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """Run a function on plain tensors, and give this class to the tensors in its result.

    Args:
        cls: what tensors in the result become.
        func: the operation or method.
        types: the classes of arguments that are asked; NotImplemented unless this one derives from all.
        args: positional arguments.
        kwargs: those by name.
    """
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **(kwargs or {}))
        return result if cls is Tensor else _converted(result, cls)


# Members that are about the object, not about its elements, or that give no tensors.
_UNASKED = {
    *("size", "dim", "ndimension", "numel", "nelement", "stride", "storage_offset", "item", "data_ptr"),
    *("element_size", "tolist", "numpy", "is_contiguous", "is_floating_point", "is_complex", "get_device"),
    *("storage", "untyped_storage", "register_hook", "register_post_accumulate_grad_hook", "as_subclass"),
}
_VIEWS = ("T", "mT", "H", "mH", "data", "real", "imag")


def _asking(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which first asks the derived classes among its arguments."""

    @functools.wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        if _core._asks_subclasses() and any(issubclass(each, Tensor) for each in _asked_types(args, kwargs)):
            return dispatch(call, args, kwargs)
        return function(*args, **kwargs)

    return call


def _asking_property(name: str, plain: Any) -> property:
    def get(self: Tensor) -> Any:
        if _core._asks_subclasses():
            return dispatch(plain.__get__, (self,), {})
        return plain.__get__(self)

    return property(get, getattr(plain, "__set__", None), doc=f"Tensor.{name}, of this class.")


def _begin() -> None:
    """Let Tensor's methods that are written in Python ask, and functions that are.

    Derived classes that call a method of Tensor's under its own name get what the class makes of it.
    """
    for name, member in list(vars(Tensor).items()):
        is_method = callable(member) and not isinstance(member, type(ops.add) | staticmethod | classmethod)
        if is_method and not name.startswith("_") and name not in _UNASKED:
            setattr(Tensor, name, _asking(member))
    asked_functions.replace(_asking)


def init_subclass(cls: type[Tensor], /, **kwargs: Any) -> None:
    """Let a new class be asked, unless its ``__torch_function__`` is the disabled one."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    function = cls.__torch_function__
    cls._keeps_class = getattr(function, "__func__", function) is not _disabled  # type: ignore[attr-defined]
    if not cls._keeps_class:  # type: ignore[attr-defined]
        return
    if not _core._keep_class():
        _begin()
    for name in _VIEWS:
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if owner is Tensor:
            setattr(cls, name, _asking_property(name, vars(Tensor)[name]))


def attach() -> None:
    """Put ``__torch_function__`` on Tensor, and tell the operations whom to ask."""
    _core._set_dispatch(dispatch)
    Tensor.__torch_function__ = classmethod(torch_function)  # type: ignore[assignment, method-assign]
    Tensor.__init_subclass__ = classmethod(init_subclass)  # type: ignore[assignment, method-assign]
