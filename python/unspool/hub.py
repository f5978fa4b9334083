"""Downloads of models, which unspool does not do: every function raises and says so."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["download_url_to_file", "help", "list", "load", "load_state_dict_from_url"]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.hub.{name} is not implemented in unspool, which downloads nothing; "
        "fetch the file yourself and read it with unspool.load"
    )


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
