"""Questions about classes that replace functions of tensors; there is no such mechanism here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unspool._core import Tensor

__all__ = ["handle_torch_function", "has_torch_function", "is_tensor_like"]


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Give False: operations do not look for ``__torch_function__``."""
    del relevant_args
    return False


def handle_torch_function(public_api: Any, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Raise NotImplementedError: ``has_torch_function`` never asks for it."""
    del public_api, relevant_args, args, kwargs
    raise NotImplementedError("torch.overrides.handle_torch_function is not implemented in unspool")


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(inp, Tensor)
