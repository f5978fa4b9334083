"""Saving and loading: safetensors, and PyTorch's archives both ways. Loading runs no code from the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from unspool import _core

if TYPE_CHECKING:
    from unspool._io.source import Source

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]

DEFAULT_PROTOCOL = 2
Place = str | os.PathLike[str]
MAP_LOCATION: TypeAlias = Callable[[Any, str], Any] | str | _core.device | dict[str, str] | None


def save(
    obj: Any,
    f: Place | IO[bytes],
    pickle_module: Any = None,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write an object to a safetensors file, where the name ends so, or to an archive in PyTorch's format.

    An archive holds tensors, parameters, numbers, strings and containers of them, which PyTorch reads with
    ``weights_only=True``, and any object that can be pickled. Views of one storage stay views of one storage.
    A file under a name is replaced as a whole: it stays as it was until the new one is complete.

    Args:
        obj: what to save; for safetensors a dict of tensors by name.
        f: a file name, or a binary file object.
        pickle_module: accepted; the pickle is always written in the same way.
        pickle_protocol: of the pickle in an archive.

    Raises:
        TypeError: safetensors cannot hold the object, or ``f`` is no place to write to.
        pickle.PicklingError: an object can only be found by running code, such as a lambda.
        NotImplementedError: the format before PyTorch 1.6 was asked for.
    """
    del pickle_module
    if not _use_new_zipfile_serialization:
        raise NotImplementedError("save: the format before PyTorch 1.6 is read, but not written")
    from unspool._io import archive, atomic, safetensors

    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"save: expected a file name or a binary file object, not {type(f).__name__}")
        archive.write(obj, f, "archive", pickle_protocol)  # type: ignore[arg-type]
        return
    name = os.fspath(f)
    with atomic.replacing(name) as file:
        if name.endswith(".safetensors"):
            safetensors.write(obj, file)
        else:
            archive.write(obj, file, archive.folder_of(name), pickle_protocol)


def load(
    f: Place | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what ``save``, PyTorch or safetensors has written.

    Builds tensors, parameters, numbers and arrays of them, strings, dtypes, devices and containers. Every
    other name in the file is refused, unless ``safe_globals`` or ``add_safe_globals`` has declared it.

    Args:
        f: a file name, or a binary file object that can be read from any place.
        map_location: where to put tensors: None, a device, a dict of devices or a function
            ``(storage, location)``. There is only the CPU; it matters for files from a GPU.
        pickle_module: accepted and not used.
        weights_only: True or None. With False the same is done, as unspool never runs code from a file.
        mmap: map the file instead of reading it; changes to the tensors stay in memory. Needs a file name.
        pickle_load_args: accepted and not used.

    Raises:
        pickle.UnpicklingError: the file asks for a name that is not allowed.
        RuntimeError: the file is damaged or of another format, or holds tensors of a GPU and there is no
            ``map_location``.
        NotImplementedError: a TorchScript program, or a tar file of PyTorch before 0.1.10.
    """
    del pickle_module, weights_only, pickle_load_args
    from unspool._io import archive, legacy, safetensors
    from unspool._io.source import Source, damaged

    locate = _locator(map_location)
    with Source(f) as source, _naming(source.path):
        if mmap:
            source.map()
        kind = _format_of(source)
        if kind == "safetensors":
            return safetensors.read(source, bool(mmap))
        if kind == "archive":
            return archive.Reader(source, bool(mmap), locate).load()
        if kind == "legacy":
            if mmap:
                raise RuntimeError("load: mmap=True needs an archive; load the old format and save it anew")
            return legacy.Reader(source, locate).load()
        if kind == "tar":
            raise NotImplementedError(
                "load: tar files of PyTorch before 0.1.10; load and save with a later one"
            )
        raise damaged("it begins with none of the known marks")


@contextlib.contextmanager
def _naming(path: str | None) -> Iterator[None]:
    """Add to an error which file it is about."""
    try:
        yield
    except Exception as error:
        if path is not None:
            error.add_note(f"(in the file {path!r})")
        raise


def _format_of(source: Source) -> str | None:
    head = source.read(min(source.size, 9))
    source.seek(0)
    if source.path is not None and source.path.endswith(".safetensors"):
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        return "archive"
    if head.startswith(b"\x80"):
        return "legacy"
    if head[8:] == b"{":
        return "safetensors"
    if source.size > 262:
        source.seek(257)
        is_tar = source.read(5) == b"ustar"
        source.seek(0)
        return "tar" if is_tar else None
    return None


def _locator(map_location: Any) -> Callable[[str], None]:
    """Make the function that checks where a storage shall go, given where it was."""
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        _core._check_device(map_location)

    def locate(place: str) -> None:
        target = map_location
        if isinstance(map_location, dict):
            target = map_location.get(place, place)
        elif callable(map_location):
            # A function returns the storage, moved, or None for "as usual"; there is nowhere to move it to.
            target = "cpu"
        if target is not None:
            _core._check_device(target)
        elif place != "cpu":
            raise RuntimeError(
                f"load: the file holds tensors of device {place!r}, and this build has the CPU only; "
                'load it with map_location="cpu"'
            )

    return locate


def default_restore_location(storage: Any, location: str) -> Any:
    """Give the storage itself for "cpu": what functions for ``load``'s ``map_location`` call.

    Raises:
        RuntimeError: another location, which this build does not have.
    """
    _core._check_device(location)
    return storage


# ---- names that files may ask for ----


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let ``load`` use these classes and functions, from now on.

    Whoever can write the files can then call them with any arguments.

    Args:
        safe_globals: classes or functions, or pairs of one and the full name it has in the file.
    """
    from unspool._io import allowed

    allowed.declare(safe_globals)


def get_safe_globals() -> list[Any]:
    """List what was declared safe."""
    from unspool._io import allowed

    return list(allowed.declared().values())


def clear_safe_globals() -> None:
    """Take back what ``add_safe_globals`` declared."""
    from unspool._io import allowed

    allowed.forget()


class safe_globals:
    """Let ``load`` use these classes and functions within a ``with`` block; see ``add_safe_globals``."""

    def __init__(self, safe_globals: Iterable[Any]) -> None:
        self._things = list(safe_globals)

    def __enter__(self) -> None:
        from unspool._io import allowed

        allowed.enter(self._things)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from unspool._io import allowed

        allowed.leave()
