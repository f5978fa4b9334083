"""Where a file is read from: a path or an open file, with the length of every read checked."""

from __future__ import annotations

import io
import mmap
import os
from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor, dtype


def damaged(reason: str) -> RuntimeError:
    """Make the exception for a file that is cut short or not what it seems."""
    return RuntimeError(f"load: the file is damaged, or of no known format: {reason}")


class Source:
    """A file that can be read at any place. Closes what it has opened itself."""

    def __init__(self, f: Any) -> None:
        self.path: str | None = None
        if isinstance(f, (str, os.PathLike)):
            self.path = os.fspath(f)
            self.file: Any = open(self.path, "rb")  # noqa: PTH123, SIM115 (closed by __exit__)
            self.start = 0
        elif hasattr(f, "read"):
            self.file = f
            if not (hasattr(f, "seek") and hasattr(f, "tell")):
                raise AttributeError(
                    "load: the file object must have seek() and tell(); read it into io.BytesIO first"
                )
            # A file may hold several things, one after the other.
            self.start = int(f.tell())
        else:
            raise TypeError(f"load: expected a path or a binary file object, not {type(f).__name__}")
        self.file.seek(0, io.SEEK_END)
        self.size = int(self.file.tell()) - self.start
        self.seek(0)
        self._map: memoryview | None = None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.file.close()

    def seek(self, place: int) -> None:
        """Go to a place, counted from where the file object stood."""
        self.file.seek(self.start + place)

    def tell(self) -> int:
        """Give the place of the next read."""
        return int(self.file.tell()) - self.start

    def remaining(self) -> int:
        """Give the number of bytes from here to the end."""
        return self.size - self.tell()

    def read(self, count: int) -> bytes:
        """Read exactly ``count`` bytes."""
        # Asked first, so that a wrong length does not make anyone reserve that much memory.
        data: bytes = self.file.read(count) if count <= self.remaining() else b""
        if len(data) != count:
            raise damaged(f"it ends {count - len(data)} bytes too early")
        return data

    def readline(self) -> bytes:
        """Read to the end of a line, which must come soon."""
        line: bytes = self.file.readline(1024)
        if not line.endswith(b"\n"):
            raise damaged("a name in it does not end")
        return line[:-1]

    def map(self) -> memoryview:
        """Map the file into memory; changes stay private to the process."""
        if self._map is None:
            if self.path is None:
                raise ValueError("load: mmap=True needs the name of a file, not a file object")
            if self.size == 0:
                raise damaged("it is empty")
            self._map = memoryview(mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_COPY))
        return self._map

    def tensor(self, place: int, count: int, kind: dtype, mapped: bool) -> Tensor:
        """Give the ``count`` elements from a place on: copied, or mapped where they are aligned."""
        if mapped and place % kind.itemsize == 0:
            return _core._over_memory(self.map(), place, count, kind)
        self.seek(place)
        if count * kind.itemsize > self.remaining():
            raise damaged(f"{count} elements of {kind} do not lie within it")
        flat = unspool.empty(count, dtype=kind)
        fill(flat, self.file)
        return flat


def fill(flat: Tensor, file: Any) -> None:
    """Read a file into the memory of a contiguous tensor."""
    target = _core._storage_memory(flat)[: flat.nbytes]
    done = 0
    while done < flat.nbytes:
        if hasattr(file, "readinto"):
            count = file.readinto(target[done:])
        else:
            piece = file.read(flat.nbytes - done)
            count = len(piece)
            target[done : done + count] = piece
        if not count:
            raise damaged(f"it ends {flat.nbytes - done} bytes too early")
        done += count
    if flat.dtype == unspool.bool:
        # Whatever is not 0 is true, as for other readers of such files; in memory it is 1.
        numbers = flat.view(unspool.uint8)
        numbers.copy_(numbers != 0)
