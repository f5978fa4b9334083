"""PyTorch's format before version 1.6: several pickles, then the storages, each with its length.

It is read, never written: a magic number, the version, what the machine was, the object, the keys of its
storages; then for each key the number of elements as 8 bytes and the elements.
"""

from __future__ import annotations

from typing import Any

import unspool
from unspool._core import Tensor
from unspool._io.allowed import STORAGES, StorageKind
from unspool._io.source import Source, damaged, fill
from unspool._io.unpickling import Interpreter

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


class Reader:
    """Reads one such file."""

    def __init__(self, source: Source, locate: Any) -> None:
        self._source = source
        self._locate = locate
        self._storages: dict[str, Tensor] = {}
        self._bytes = 0

    def load(self) -> Any:
        """Build what the pickle describes, then read what its storages hold."""
        interpreter = Interpreter(self._source, self._storage)
        if interpreter.load() != _MAGIC:
            raise damaged("it does not begin like a file of PyTorch")
        if interpreter.load() != _VERSION:
            raise damaged("its version of the old format is unknown")
        machine = interpreter.load()
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise NotImplementedError("load: the old format is read from little-endian machines only")
        result = interpreter.load()
        keys = interpreter.load()
        if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(self._storages):
            raise damaged("its list of storages is not that of its tensors")
        for key in keys:
            storage = self._storages[key]
            if int.from_bytes(self._source.read(8), "little") != storage.numel():
                raise damaged(f"storage {key!r} has another length than its tensors say")
            fill(storage, self._source.file)
        return result

    def _storage(self, identity: Any) -> Tensor:
        match identity:
            case ("storage", StorageKind(name=kind), str(key), str(place), int(count), None):
                pass
            case ("storage", StorageKind(), str(), str(), int(), tuple()):
                raise NotImplementedError(
                    "load: views of storages, as PyTorch 0.3 wrote them, are not supported"
                )
            case _:
                raise damaged("a reference that is none to a storage")
        if key not in self._storages:
            self._locate(place)
            element = getattr(unspool, STORAGES.get(kind, "uint8"))
            self._bytes += count * element.itemsize
            # Before memory is reserved: the elements must still come.
            if count < 0 or self._bytes > self._source.remaining():
                raise damaged(f"{count} elements of {element} do not lie within it")
            self._storages[key] = unspool.empty(count, dtype=element)
        return self._storages[key]
