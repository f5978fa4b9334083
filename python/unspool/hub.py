"""Downloads of models, which unspool does not do: what would download raises and says so.

Files that are there already, in the folder that PyTorch keeps them in, are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlparse

from unspool.serialization import load as read_file

try:
    from tqdm import tqdm
except ImportError:

    class tqdm:  # type: ignore[no-redef]
        """Stands for the package's bar of progress where it is not installed: shows nothing."""

        def __init__(self, *_args: Any, **_kwargs: Any) -> None:
            pass

        def update(self, n: float | None = 1) -> None:
            """Do nothing."""

        def close(self) -> None:
            """Do nothing."""

        def __enter__(self) -> tqdm:
            return self

        def __exit__(self, *_error: object) -> None:
            pass


__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
    "tqdm",
]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.hub.{name} is not implemented in unspool, which downloads nothing; "
        "fetch the file yourself and read it with unspool.load"
    )


# The check sum in the name of a file.
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")

_dir: str | None = None


def _get_torch_home() -> str:
    """Give the folder of PyTorch's files: $TORCH_HOME, or ``torch`` below $XDG_CACHE_HOME or ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return str(Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser())


def get_dir() -> str:
    """Give the folder that scripts keep models in: the one that was set, or ``hub`` below $TORCH_HOME."""
    return _dir or str(Path(_get_torch_home()) / "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Choose the folder that ``get_dir`` gives."""
    global _dir
    _dir = os.fspath(Path(d).expanduser())


def load(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("load")


def list(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("list")


def help(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("help")


def download_url_to_file(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("download_url_to_file")


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """Load what is at an address from the folder that PyTorch would keep it in.

    Args:
        url: its last part is the file's name, unless ``file_name`` is given.
        model_dir: the folder; None for ``checkpoints`` in ``get_dir()``.
        map_location: as in ``load``.
        progress: has no effect.
        check_hash: has no effect.
        file_name: another name.
        weights_only: as in ``load``.

    Raises:
        NotImplementedError: the file is not there.
    """
    del progress, check_hash
    folder = Path(get_dir()) / "checkpoints" if model_dir is None else Path(model_dir)
    path = folder / (file_name or Path(urlparse(url).path).name)
    if not path.exists():
        raise NotImplementedError(
            "torch.hub.load_state_dict_from_url is not implemented in unspool, which downloads nothing; "
            f"fetch {url} yourself and keep it as {path}"
        )
    return read_file(path, map_location=map_location, weights_only=weights_only)
