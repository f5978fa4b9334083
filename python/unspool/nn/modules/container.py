"""Modules that hold modules or parameters under numbers or names: Sequential, lists and dictionaries."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from unspool.nn.modules._parameter_container import ParameterDict, ParameterList
from unspool.nn.modules.module import Module, indent

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def position(index: Any, length: int, name: str) -> int:
    """``index`` counted from the front.

    Raises:
        TypeError: not an integer.
        IndexError: out of range.
    """
    at = operator.index(index)
    if not -length <= at < length:
        raise IndexError(f"{name}: index {at} is out of range for {length} entries")
    return at % length


def _check_module(call: str, module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"{call}: {type(module).__name__} is not a Module subclass")
    return module


class _Numbered(Module):
    """Modules under the names "0", "1", ...; what Sequential and ModuleList share."""

    def _renumber(self, modules: Iterable[Module | None]) -> None:
        entries = list(modules)
        self._modules.clear()
        for i, module in enumerate(entries):
            self._modules[str(i)] = module

    def _key(self, index: Any) -> str:
        """The name at position ``index``; the names need not be numbers."""
        at = position(index, len(self._modules), type(self).__name__)
        for i, key in enumerate(self._modules):
            if i == at:
                return key
        raise IndexError(at)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Numbered):
    """Modules applied one after the other: ``Sequential(a, b)(x)`` is ``b(a(x))``.

    Args:
        *args: modules, named "0", "1", ...; or one ``OrderedDict`` of names and modules.

    Raises:
        TypeError: an entry is not a Module.
    """

    @overload
    def __init__(self, *args: Module) -> None: ...
    @overload
    def __init__(self, arg: OrderedDict[str, Module], /) -> None: ...
    def __init__(self, *args: Any) -> None:
        super().__init__()
        entries = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in entries:
            self.add_module(str(name), _check_module(f"Sequential, entry {name!r}", module))

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            Sequential.__init__(part, OrderedDict(list(self._modules.items())[index]))  # type: ignore[arg-type]
            return part
        return self._modules[self._key(index)]

    def __setitem__(self, index: Any, module: Module) -> None:
        setattr(self, self._key(index), _check_module("Sequential[...] = module", module))

    def __delitem__(self, index: Any) -> None:
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            del self._modules[key]
        if all(key.isdigit() for key in self._modules):
            self._renumber(self._modules.values())

    def append(self, module: Module) -> Self:
        """Adds a module at the end; returns self."""
        self.add_module(str(len(self)), _check_module("Sequential.append", module))
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Adds a module before position ``index``; returns self.

        Raises:
            IndexError: ``index`` lies outside the sequence.
        """
        _check_module("Sequential.insert", module)
        count = len(self)
        if not -count <= index <= count:
            raise IndexError(f"Sequential.insert: index {index} is out of range for {count} entries")
        modules = list(self._modules.values())
        modules.insert(index if index >= 0 else index + count, module)
        self._renumber(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Adds all modules of ``sequential`` at the end; returns self."""
        for module in list(sequential):
            self.append(module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Removes and returns the module (or, for a slice, the modules) at a position."""
        removed = self[key]
        del self[key]
        return removed

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other).__name__} is given"
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other).__name__} is given"
            )
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*(module for _ in range(_times(times)) for module in self))

    def __rmul__(self, times: int) -> Sequential:
        return self * times

    def __imul__(self, times: int) -> Self:
        modules = list(self)
        for _ in range(_times(times) - 1):
            self.extend(modules)
        return self


def _times(times: Any) -> int:
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand type(s) for *: 'Sequential' and {type(times).__name__!r}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for Sequential")
    return times


class ModuleList(_Numbered):
    """A list of modules that the parent's ``parameters()`` sees.

    Args:
        modules: the first entries.

    Raises:
        TypeError: an entry is not a Module.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])  # type: ignore[arg-type]
        return self._modules[self._key(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), _check_module("ModuleList[...] = module", module))

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self._modules.values())
        if isinstance(index, slice):
            del modules[index]
        else:
            del modules[position(index, len(modules), "ModuleList")]
        self._renumber(modules)

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def insert(self, index: int, module: Module) -> None:
        """Adds a module before position ``index``, as ``list.insert`` does."""
        modules = list(self._modules.values())
        modules.insert(index, _check_module("ModuleList.insert", module))
        self._renumber(modules)

    def append(self, module: Module | None) -> Self:
        """Adds a module at the end; returns self."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Removes and returns the module (or, for a slice, the modules) at a position."""
        removed = self[key]
        del self[key]
        return removed

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds all of ``modules`` at the end; returns self.

        Raises:
            TypeError: ``modules`` cannot be iterated over, or an entry is not a Module.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"ModuleList.extend should be called with an iterable, but got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def __repr__(self) -> str:
        """As for other modules, with runs of equal entries written once: ``(0-2): 3 x Linear(...)``."""
        runs: list[tuple[int, int, str]] = []
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        if not runs:
            return f"{self._get_name()}()"
        lines = [
            f"({first}): {indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {indent(text)}"
            for first, last, text in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules, in order of insertion, that the parent's ``parameters()`` sees.

    Args:
        modules: a mapping or an iterable of (name, module) pairs.

    Raises:
        TypeError: an entry is not a Module.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Removes all entries."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Removes and returns the module of that name."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """(name, module) pairs."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Adds all entries of a mapping or of an iterable of (name, module) pairs.

        Raises:
            TypeError: ``modules`` is neither.
            ValueError: an entry is not a pair.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, "
                f"but got {type(modules).__name__}"
            )
        entries: Any = modules.items() if isinstance(modules, Mapping | ModuleDict) else modules
        for i, entry in enumerate(entries):
            if not isinstance(entry, tuple | list):
                raise TypeError(
                    f"ModuleDict update sequence element #{i} should be Iterable; is {type(entry).__name__}"
                )
            if len(entry) != 2:
                raise ValueError(
                    f"ModuleDict update sequence element #{i} has length {len(entry)}; 2 is required"
                )
            self[entry[0]] = entry[1]
