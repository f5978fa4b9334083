"""ParameterList and ParameterDict: parameters, and values kept beside them, under numbers or names."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from unspool._core import Tensor
from unspool.nn.modules.module import Module, indent
from unspool.nn.parameter import Parameter


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _description(value: Any) -> str:
    if isinstance(value, Tensor):
        shape = "x".join(str(size) for size in value.shape)
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        return f"{kind} containing: [{value.dtype} of size {shape}]"
    return f"Object of type: {type(value).__name__}"


class ParameterList(Module):
    """A list of parameters that the parent's ``parameters()`` sees.

    Args:
        values: the first entries; tensors become parameters, anything else is kept as it is.
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _position(self, index: Any) -> str:
        at = operator.index(index)
        if not -self._size <= at < self._size:
            raise IndexError(f"{type(self).__name__}: index {at} is out of range for {self._size} entries")
        return str(at % self._size)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(getattr(self, str(i)) for i in range(*index.indices(self._size)))
        return getattr(self, self._position(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._position(index), _as_parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, str(i)) for i in range(self._size)])

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def append(self, value: Any) -> Self:
        """Adds a value at the end; returns self."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Adds all of ``values`` at the end; returns self.

        Raises:
            TypeError: ``values`` is a tensor or cannot be iterated over.
        """
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        return "\n".join(f"({i}): {indent(_description(value))}" for i, value in enumerate(self))

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called: it holds parameters and computes nothing.")


class ParameterDict(Module):
    """A dictionary of parameters, in order of insertion, that the parent's ``parameters()`` sees.

    Args:
        parameters: a mapping or an iterable of (name, value) pairs; tensors become parameters, anything else
            is kept as it is.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _attribute(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"ParameterDict: keys are strings, got {type(key).__name__}")
        # A key such as "forward" must not hide what the class itself needs.
        return f"_entry_{key}" if hasattr(type(self), key) or key in ("_keys", "training") else key

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, self._attribute(key))

    def __setitem__(self, key: str, value: Any) -> None:
        attribute = self._attribute(key)
        self._keys[key] = None
        setattr(self, attribute, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._attribute(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """A new ParameterDict with the same parameters."""
        return ParameterDict([(key, self[key]) for key in self._keys])

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of ``key``; stores ``default`` there first where it is missing."""
        if key not in self._keys:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Removes all entries."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Removes and returns the value of ``key``."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Removes and returns the entry that was added last."""
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, or ``default`` where it is missing."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with ``default`` under each of ``keys``."""
        return ParameterDict([(key, default) for key in keys])

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, value) pairs."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Adds all entries of a mapping or of an iterable of (name, value) pairs.

        Raises:
            TypeError: ``parameters`` is neither.
            ValueError: an entry is not a pair.
        """
        if not isinstance(parameters, Iterable):
            raise TypeError(
                "ParameterDict.update should be called with an iterable of key/value pairs, "
                f"but got {type(parameters).__name__}"
            )
        entries: Any = parameters.items() if isinstance(parameters, Mapping | ParameterDict) else parameters
        for i, entry in enumerate(entries):
            if not isinstance(entry, tuple | list):
                raise TypeError(
                    f"ParameterDict update sequence element #{i} should be Iterable; is "
                    f"{type(entry).__name__}"
                )
            if len(entry) != 2:
                raise ValueError(
                    f"ParameterDict update sequence element #{i} has length {len(entry)}; 2 is required"
                )
            self[entry[0]] = entry[1]

    def extra_repr(self) -> str:
        return "\n".join(f"({key}): {indent(_description(value))}" for key, value in self.items())

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called: it holds parameters and computes nothing.")

    def __or__(self, other: ParameterDict) -> ParameterDict:
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        result = other.copy()
        result.update(self)
        return result

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self
