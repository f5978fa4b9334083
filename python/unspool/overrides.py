"""``__torch_function__``: how a class that is no tensor says what operations mean for its objects.

An operation that is given such an object calls ``__torch_function__(operation, types, args, kwargs)`` of it.
Subclasses of Tensor are tensors like others and are not asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from unspool._core import Tensor

__all__ = ["TorchFunctionMode", "handle_torch_function", "has_torch_function", "is_tensor_like"]


def _askable(argument: Any) -> bool:
    return not isinstance(argument, Tensor) and hasattr(type(argument), "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument that is no tensor has ``__torch_function__``."""
    return any(_askable(each) for each in relevant_args)


def handle_torch_function(public_api: Any, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Let the first argument that can answer a function that was called with ``args`` and ``kwargs``.

    Raises:
        TypeError: all of them return NotImplemented, or none can be asked.
    """
    types = tuple(dict.fromkeys(type(each) for each in relevant_args if _askable(each)))
    for kind in types:
        answer = kind.__torch_function__(public_api, types, args, kwargs)
        if answer is not NotImplemented:
            return answer
    names = ", ".join(kind.__name__ for kind in types) or "no argument"
    raise TypeError(f"{public_api.__name__}: asked {names}, and got no implementation")


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor, or has ``__torch_function__``."""
    return isinstance(inp, Tensor) or _askable(inp)


class TorchFunctionMode:
    """Would see each operation in a ``with`` block. It can be derived from; entering it raises.

    Operations without an argument that has ``__torch_function__`` ask nobody here.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operation, what a class that changes nothing does."""
        del types
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> NoReturn:
        raise NotImplementedError(
            "torch.overrides.TorchFunctionMode is not implemented in unspool: operations in a with block "
            "cannot be replaced; give __torch_function__ to a class of arguments"
        )

    def __exit__(self, *_error: Any) -> None:
        pass
