"""PyTorch's older place of ``vmap``, from which some packages take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool.func import vmap

__all__ = ["vmap"]


def _vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, allow_none_pass_through: bool = False
) -> Callable[..., Any]:
    """Give ``vmap(func, in_dims, out_dims)``."""
    del allow_none_pass_through
    return vmap(func, in_dims, out_dims)
