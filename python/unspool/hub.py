"""Downloads of models, which unspool does not do: what would download raises and says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.hub.{name} is not implemented in unspool, which downloads nothing; "
        "fetch the file yourself and read it with unspool.load"
    )


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


def load_state_dict_from_url(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("load_state_dict_from_url")
