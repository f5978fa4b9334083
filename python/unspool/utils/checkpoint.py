"""Recomputation of activations, which is not done: the functions raise and say what to do instead."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    raise NotImplementedError(
        "torch.utils.checkpoint.checkpoint is not implemented in unspool; call the function itself, which "
        "keeps its activations, and use smaller batches where memory is short"
    )


def checkpoint_sequential(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    raise NotImplementedError(
        "torch.utils.checkpoint.checkpoint_sequential is not implemented in unspool; call the modules"
    )
