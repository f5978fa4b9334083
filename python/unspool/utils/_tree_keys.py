"""Where a leaf of a tree is: the keys from the root to it, as ``tree_flatten_with_path`` gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """A place in a tuple, list or deque."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Sequence[Any]) -> Any:
        """Give the child there."""
        return sequence[self.idx]


@dataclass(frozen=True, slots=True)
class MappingKey:
    """A key of a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Mapping[Any, Any]) -> Any:
        """Give the child there."""
        return mapping[self.key]


@dataclass(frozen=True, slots=True)
class GetAttrKey:
    """A field of a named tuple, or an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """Give the child there."""
        return getattr(obj, self.name)


KeyEntry: TypeAlias = Any
KeyPath: TypeAlias = tuple[KeyEntry, ...]
# Children with their keys, and the node's context.
Keyed: TypeAlias = tuple[list[tuple[KeyEntry, Any]], Any]
FlattenWithKeys: TypeAlias = Callable[[Any], Keyed]


def keystr(kp: KeyPath) -> str:
    """Write a path as it would be written in code: ``['layers'][0].weight``."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """Follow a path from the root of a tree."""
    for key in kp:
        obj = key.get(obj)
    return obj


def sequence_with_keys(node: Sequence[Any], context: Any = None) -> Keyed:
    """Give the children of a tuple or list with their places."""
    return [(SequenceKey(i), child) for i, child in enumerate(node)], context


def _dict_flatten(d: Mapping[Any, Any]) -> tuple[list[Any], Any]:
    """Give the values and the keys."""
    return list(d.values()), list(d)


def _dict_unflatten(values: Iterable[Any], context: Any) -> dict[Any, Any]:
    """Make a dict of values and keys."""
    return dict(zip(context, values, strict=True))


def _namedtuple_flatten(d: Any) -> tuple[list[Any], Any]:
    """Give the fields' values and the class."""
    return list(d), type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Any) -> Any:
    """Make a named tuple of values and its class."""
    return context(*values)


def _dict_flatten_with_keys(d: Mapping[Any, Any]) -> Keyed:
    """Give the values with their keys, and the keys."""
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


def fields_with_keys(node: Any) -> Keyed:
    """Give the children of a named tuple with the fields' names."""
    return [(GetAttrKey(name), getattr(node, name)) for name in node._fields], type(node)
