"""The dictionaries inside a Module that keep something else true when they are written to.

``Registry`` holds parameters, buffers or submodules and mirrors each entry in the module's instance
``__dict__``, so that reading ``module.weight`` is a plain attribute hit while ``module._parameters`` stays a
live dictionary that user code may edit. A name that the module's class uses itself is not mirrored: a module
stored as ``parameters`` must not hide the method. ``HookDict`` holds hooks and reports when one arrives.
Nothing here knows what a module is beyond that.
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["ChildRegistry", "HookDict", "Registry", "RemovableHandle"]

V = TypeVar("V")
_MISSING: Any = object()


class Registry(dict[str, V], Generic[V]):
    """A dictionary of a module's members, each of them mirrored as an instance attribute of that module."""

    __slots__ = ("_owner",)

    # Module's own __getattr__. A class with another one wants to be asked for each member, so that its
    # members are not mirrored.
    usual_lookup: ClassVar[Any] = None

    def __init__(self, owner: Any, entries: Iterable[tuple[str, V]] = ()) -> None:
        super().__init__()
        # Weak: module -> registry -> module would keep every dropped network until the next cycle collection.
        self._owner = weakref.ref(owner)
        for key, value in entries:
            self[key] = value

    def __setitem__(self, key: str, value: V) -> None:
        super().__setitem__(key, value)
        owner = self._owner()
        if owner is None or getattr(type(owner), "__getattr__", None) is not Registry.usual_lookup:
            return
        if not hasattr(type(owner), key):
            owner.__dict__[key] = value

    def __delitem__(self, key: str) -> None:
        value = self.get(key)
        super().__delitem__(key)
        owner = self._owner()
        if owner is not None and (owner.__dict__.get(key) is value or not hasattr(type(owner), key)):
            owner.__dict__.pop(key, None)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        if key not in self:
            if default is _MISSING:
                raise KeyError(key)
            return default
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, V]:
        if not self:
            raise KeyError("popitem(): the registry is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> Registry[V]:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # A copy or a file holds the entries only; the module that receives them mirrors them anew.
        return (dict, (dict(self),))


class ChildRegistry(Registry[Any]):
    """The registry of submodules: tells each child the name its parent knows it by."""

    __slots__ = ()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if value is not None:
            object.__setattr__(value, "_scope", key)


class HookDict(OrderedDict[int, Any]):
    """Hooks by id, in the order in which they run; calls ``arrived`` whenever one is added."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        super().__init__()
        self._arrived = arrived

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        self._arrived()

    def copy(self) -> OrderedDict[int, Any]:  # type: ignore[override]
        return OrderedDict(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (OrderedDict, (list(self.items()),))


class RemovableHandle:
    """Removes one hook: by ``remove()``, or at the end of a ``with`` block.

    Args:
        hooks_dict: the dictionary that the hook is stored in, under ``self.id``; held weakly.
        extra_dict: further dictionaries that carry something under the same id.
    """

    _ids = itertools.count()

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = next(RemovableHandle._ids)
        extra = (
            [] if extra_dict is None else [extra_dict] if isinstance(extra_dict, dict) else list(extra_dict)
        )
        self._dicts = [weakref.ref(d) for d in (hooks_dict, *extra)]

    def remove(self) -> None:
        """Removes the hook; does nothing when it is gone already."""
        for reference in self._dicts:
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()

    def __getstate__(self) -> int:
        return self.id

    def __setstate__(self, state: int) -> None:
        # A handle that was copied or read from a file has nothing to remove.
        self.id = state
        self._dicts = []
