"""PyTorch's archives: zip files of one pickle, ``data.pkl``, and an entry per storage, ``data/0`` and so on.

Entries are not compressed, and storages begin at multiples of 64 bytes, so that they can be mapped.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
import zlib
from pathlib import PurePath
from typing import Any, BinaryIO

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool._io.allowed import STORAGES, StorageKind
from unspool._io.pickling import Pickler
from unspool._io.source import Source, damaged, fill
from unspool._io.unpickling import Interpreter

_ALIGNMENT = 64
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
# Bytes that zipfile adds to the header of an entry that may be larger than 4 GB.
_ZIP64_EXTRA = 20
# The earliest time that a zip file can name: the same contents give the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


def write(obj: Any, file: BinaryIO, name: str, protocol: int) -> None:
    """Write an archive whose entries lie in a folder ``name``."""
    stream = io.BytesIO()
    pickler = Pickler(stream, protocol)
    pickler.dump(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, f"{name}/data.pkl", stream.getbuffer())
        _add(archive, f"{name}/byteorder", sys.byteorder.encode())
        for number, tensor in enumerate(pickler.storages):
            _add(archive, f"{name}/data/{number}", _core._storage_memory(tensor))
        _add(archive, f"{name}/version", b"3\n")


def folder_of(path: str) -> str:
    """Name the folder of an archive after its file, as PyTorch does."""
    return PurePath(path).stem or "archive"


def _add(archive: zipfile.ZipFile, name: str, contents: Any) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.file_size = len(contents)
    large = entry.file_size * 1.05 > zipfile.ZIP64_LIMIT
    at = archive.start_dir + _LOCAL_HEADER.size + len(name.encode()) + (_ZIP64_EXTRA if large else 0)
    # An extra field that says nothing but is as long as needed; 4 bytes are its own header.
    padding = (-at - 4) % _ALIGNMENT
    entry.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    with archive.open(entry, "w") as target:
        target.write(contents)


class Reader:
    """Reads an archive; storages are read when they are first asked for."""

    def __init__(self, source: Source, mapped: bool, locate: Any) -> None:
        self._source = source
        self._mapped = mapped
        self._locate = locate
        self._storages: dict[str, Tensor] = {}
        try:
            self._archive = zipfile.ZipFile(_Window(source))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
            raise damaged(str(error)) from None
        self._entries = {entry.filename: entry for entry in self._archive.infolist()}
        pickles = [name for name in self._entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise damaged("the archive does not hold one data.pkl")
        self._folder = pickles[0].removesuffix("data.pkl")
        if self._folder + "constants.pkl" in self._entries:
            raise NotImplementedError(
                "load: this is a TorchScript program; unspool reads weights, so save its state_dict()"
            )
        self._swapped = self._byte_order() != sys.byteorder

    def _byte_order(self) -> str:
        name = self._folder + "byteorder"
        order = self._contents(name).decode("ascii", "replace") if name in self._entries else "little"
        if order not in ("little", "big"):
            raise damaged(f"byte order {order!r}")
        return order

    def load(self) -> Any:
        """Build what the pickle describes."""
        contents = self._contents(self._folder + "data.pkl")
        return Interpreter(Source(io.BytesIO(contents)), self._storage).load()

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = self._entries.get(name)
        if entry is None:
            raise damaged(f"there is no entry {name!r}")
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        if not stored or entry.flag_bits & 1:
            raise damaged(f"entry {name!r} is compressed or encrypted")
        if entry.header_offset < 0 or entry.header_offset + entry.file_size > self._source.size:
            raise damaged(f"entry {name!r} does not lie within the file")
        return entry

    def _contents(self, name: str) -> bytes:
        try:
            return self._archive.read(self._entry(name))
        except _ZIP_ERRORS as error:
            raise damaged(str(error)) from None

    def _storage(self, identity: Any) -> Tensor:
        match identity:
            case ("storage", StorageKind(name=kind), str(key), str(place), int(count)):
                pass
            case _:
                raise damaged("a reference that is none to a storage")
        if key not in self._storages:
            self._locate(place)
            self._storages[key] = self._read(self._folder + "data/" + key, kind, count)
        return self._storages[key]

    def _read(self, name: str, kind: str, count: int) -> Tensor:
        element = getattr(unspool, STORAGES.get(kind, "uint8"))
        entry = self._entry(name)
        if count < 0 or entry.file_size != count * element.itemsize:
            raise damaged(f"entry {name!r} has {entry.file_size} bytes, not {count} elements of {element}")
        if self._mapped and not self._swapped:
            return self._source.tensor(self._begin(entry), count, element, mapped=True)
        flat = unspool.empty(count, dtype=element)
        try:
            with self._archive.open(entry) as file:
                fill(flat, file)
                file.read(1)  # at the end the checksum is compared
        except _ZIP_ERRORS as error:
            raise damaged(str(error)) from None
        if self._swapped:
            _swap_bytes(flat)
        return flat

    def _begin(self, entry: zipfile.ZipInfo) -> int:
        self._source.seek(entry.header_offset)
        fields = _LOCAL_HEADER.unpack(self._source.read(_LOCAL_HEADER.size))
        begin = entry.header_offset + _LOCAL_HEADER.size + int(fields[9]) + int(fields[10])
        if fields[0] != b"PK\x03\x04" or begin + entry.file_size > self._source.size:
            raise damaged(f"entry {entry.filename!r} does not lie within the file")
        return begin


_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    KeyError,
    OSError,
    NotImplementedError,
)


def _swap_bytes(flat: Tensor) -> None:
    import numpy as np

    memory = np.frombuffer(_core._storage_memory(flat), f"u{flat.itemsize}", flat.numel())
    memory.byteswap(inplace=True)


class _Window(io.RawIOBase):
    """The part of a file from where the source begins, as a file."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Give the place of the next read."""
        return self._source.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._source.size}[whence]
        self._source.seek(base + offset)
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes."""
        data: bytes = self._source.file.read(size)
        return data
