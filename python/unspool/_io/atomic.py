"""Writing a file so that its name always holds either the old contents or the new, whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(name: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``name`` that takes its place at the end of the block.

    After an exception the temporary file is gone and the old one untouched. What is no regular file, such
    as a pipe, is written to directly.
    """
    path = Path(os.path.realpath(name))  # a link goes on pointing to where it does
    if path.exists() and not path.is_file():
        with path.open("wb") as direct:
            yield direct
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder to write to", str(path.parent))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
