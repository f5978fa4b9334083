"""Batches cut over several devices, of which there is one: refused by name."""

from __future__ import annotations

from typing import Any, NoReturn

from unspool._lazy import unsupported

__all__ = ["gather", "parallel_apply", "replicate", "scatter", "scatter_kwargs"]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(f"{unsupported(name)}: there is one device, the CPU; call the module itself")


def scatter(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("torch.nn.parallel.scatter")


def scatter_kwargs(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("torch.nn.parallel.scatter_gather.scatter_kwargs")


def gather(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("torch.nn.parallel.gather")


def replicate(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("torch.nn.parallel.replicate")


def parallel_apply(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("torch.nn.parallel.parallel_apply")
