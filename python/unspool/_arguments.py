"""Kinds of arguments of functions that Python composes: the core checks those of its own operations."""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor

__all__ = ["require_one_dtype", "require_tensor", "require_tensor_like", "require_tensors"]


def require_tensor(name: str, value: Any, who: str) -> Tensor:
    """The value of the argument ``name`` of the function ``who``.

    Raises:
        TypeError: it is no tensor.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{who}(): argument {name!r} must be Tensor, not {type(value).__name__}")
    return value


def require_tensor_like(name: str, value: Any, who: str) -> Any:
    """The same; what takes part by ``__torch_function__``, as sparse tensors do, also passes."""
    return value if hasattr(type(value), "__torch_function__") else require_tensor(name, value, who)


def require_one_dtype(who: str, **arguments: Any) -> None:
    """Raises TypeError for the first argument that is no tensor, RuntimeError for one of another dtype."""
    require_tensors(who, **arguments)
    (first, tensor), *others = arguments.items()
    for name, other in others:
        if other.dtype != tensor.dtype:
            raise RuntimeError(
                f"{who}: {first} is {tensor.dtype} but {name} is {other.dtype}; convert one with .to()"
            )


def require_tensors(who: str, **arguments: Any) -> None:
    """Raises TypeError for the first argument of the function ``who`` that is no tensor."""
    for name, value in arguments.items():
        require_tensor(name, value, who)
