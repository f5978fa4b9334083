"""Reads pickles with an interpreter of its own, which can build data and nothing else.

It knows the instructions that programs write for data; names are looked up in ``allowed``. Calls reach the
builders listed there, or what the user declared safe. State is set only on objects that were built here.
"""

from __future__ import annotations

import collections
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from unspool._core import Tensor
from unspool._io import numpy_arrays
from unspool._io.allowed import Names, check_key
from unspool._io.source import Source, damaged

_MARK = object()
_DICTS = (dict, collections.OrderedDict, collections.Counter, collections.defaultdict)


class Interpreter:
    """Runs one pickle after the other from a source.

    ``load_storage`` turns a persistent id into a storage.
    """

    def __init__(self, source: Source, load_storage: Callable[[Any], Any]) -> None:
        self._source = source
        self._load_storage = load_storage
        self._names = Names()
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Read one pickle."""
        self._stack = []
        self._memo = {}
        read = self._source.read
        try:
            while (code := read(1)) != b".":
                instruction = _INSTRUCTIONS.get(code)
                if instruction is None:
                    raise pickle.UnpicklingError(f"load: instruction {code!r} of a pickle is not supported")
                instruction(self)
            return self._pop()
        except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise damaged(f"{type(error).__name__}: {error}") from error

    # ---- reading ----

    def _number(self, format: str) -> Any:
        return struct.unpack(format, self._source.read(struct.calcsize(format)))[0]

    def _text(self, length_format: str) -> str:
        return self._source.read(self._number(length_format)).decode("utf-8", "surrogatepass")

    def _old_text(self, length_format: str) -> str:
        return self._source.read(self._number(length_format)).decode("utf-8")

    def _data(self, length_format: str) -> bytes:
        return self._source.read(self._number(length_format))

    def _long(self, length_format: str) -> int:
        return int.from_bytes(self._data(length_format), "little", signed=True)

    # ---- the stack ----

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def _top(self) -> Any:
        return self._stack[-1]

    def _to_mark(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark on the stack")
        values = self._stack[place + 1 :]
        del self._stack[place:]
        return values

    def _tuple(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _get(self, format: str) -> None:
        self._push(self._memo[self._number(format)])

    def _put(self, format: str) -> None:
        self._memo[self._number(format)] = self._top()

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    # ---- containers ----

    def _append(self, values: list[Any]) -> None:
        target = self._top()
        if type(target) is not list and not self._is_users(target):
            raise TypeError(f"values are appended to a {type(target).__name__}")
        for value in values:
            target.append(value)

    def _set_items(self, values: list[Any]) -> None:
        target = self._top()
        if type(target) not in _DICTS and not self._is_users(target):
            raise TypeError(f"items are set on a {type(target).__name__}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            check_key(key)
            target[key] = value

    def _dict(self) -> None:
        values = self._to_mark()
        self._push({})
        self._set_items(values)

    def _set_of(self, kind: type) -> None:
        values = self._to_mark()
        for value in values:
            check_key(value)
        self._push(kind(values))

    def _add_items(self) -> None:
        values = self._to_mark()
        target = self._top()
        if type(target) is not set:
            raise TypeError(f"members are added to a {type(target).__name__}")
        for value in values:
            check_key(value)
            target.add(value)

    # ---- names, calls, state ----

    def _is_users(self, instance: Any) -> bool:
        return self._names.is_users(type(instance))

    def _global(self) -> None:
        module, name = self._source.readline().decode(), self._source.readline().decode()
        self._push(self._names.find(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("a name that is no text")
        self._push(self._names.find(module, name))

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if type(arguments) is not tuple:
            raise TypeError("arguments that are no tuple")
        self._push(self._names.call(function, arguments))

    def _new_object(self) -> None:
        arguments, kind = self._pop(), self._pop()
        if type(arguments) is not tuple:
            raise TypeError("arguments that are no tuple")
        if self._names.is_users(kind) and isinstance(kind, type):
            self._push(kind.__new__(kind, *arguments))
        else:
            self._push(self._names.call(kind, arguments))

    def _new_object_with_keywords(self) -> None:
        keywords, arguments, kind = self._pop(), self._pop(), self._pop()
        if not self._names.is_users(kind) or not isinstance(kind, type):
            raise pickle.UnpicklingError(f"load: the file makes a {kind!r:.100}, which was not declared safe")
        self._push(kind.__new__(kind, *arguments, **keywords))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if self._is_users(target):
            _set_state(target, state)
        elif isinstance(target, numpy_arrays.ElementType):
            target.set_state(state)
        elif type(target) is np.ndarray:
            numpy_arrays.set_array(target, state)
        elif isinstance(target, (Tensor, collections.OrderedDict)) and type(state) is dict:
            target.__dict__.update({str(name): value for name, value in state.items()})
        else:
            raise TypeError(f"state is set on a {type(target).__name__}")

    def _persistent(self) -> None:
        self._push(self._load_storage(self._pop()))


def _set_state(target: Any, state: Any) -> None:
    """Do what pickle documents for classes with and without ``__setstate__``."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    if state:
        target.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(target, name, value)


_I = Interpreter
_INSTRUCTIONS: dict[bytes, Callable[[Interpreter], Any]] = {
    # What frames a pickle.
    b"\x80": lambda m: m._number("<B"),
    b"\x95": lambda m: m._number("<Q"),
    # Plain values.
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"K": lambda m: m._push(m._number("<B")),
    b"M": lambda m: m._push(m._number("<H")),
    b"J": lambda m: m._push(m._number("<i")),
    b"\x8a": lambda m: m._push(m._long("<B")),
    b"\x8b": lambda m: m._push(m._long("<I")),
    b"G": lambda m: m._push(m._number(">d")),
    b"X": lambda m: m._push(m._text("<I")),
    b"\x8c": lambda m: m._push(m._text("<B")),
    b"\x8d": lambda m: m._push(m._text("<Q")),
    b"T": lambda m: m._push(m._old_text("<I")),
    b"U": lambda m: m._push(m._old_text("<B")),
    b"B": lambda m: m._push(m._data("<I")),
    b"C": lambda m: m._push(m._data("<B")),
    b"\x8e": lambda m: m._push(m._data("<Q")),
    b"\x96": lambda m: m._push(bytearray(m._data("<Q"))),
    # Containers.
    b"(": lambda m: m._push(_MARK),
    b")": lambda m: m._push(()),
    b"t": lambda m: m._push(tuple(m._to_mark())),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"]": lambda m: m._push([]),
    b"l": lambda m: m._push(m._to_mark()),
    b"a": lambda m: m._append([m._pop()]),
    b"e": lambda m: m._append(m._to_mark()),
    b"}": lambda m: m._push({}),
    b"d": _I._dict,
    b"s": lambda m: m._set_items([m._pop(), m._pop()][::-1]),
    b"u": lambda m: m._set_items(m._to_mark()),
    b"\x8f": lambda m: m._push(set()),
    b"\x90": _I._add_items,
    b"\x91": lambda m: m._set_of(frozenset),
    # The stack and the memo.
    b"0": lambda m: m._stack.pop(),
    b"1": lambda m: m._to_mark(),
    b"2": lambda m: m._push(m._top()),
    b"h": lambda m: m._get("<B"),
    b"j": lambda m: m._get("<I"),
    b"q": lambda m: m._put("<B"),
    b"r": lambda m: m._put("<I"),
    b"\x94": _I._memoize,
    # Names, calls, state, storages.
    b"c": _I._global,
    b"\x93": _I._stack_global,
    b"R": _I._reduce,
    b"\x81": _I._new_object,
    b"\x92": _I._new_object_with_keywords,
    b"b": _I._build,
    b"Q": _I._persistent,
}
