"""``__torch_function__``: how a class says what operations mean for its objects.

An operation that is given an object of a class derived from Tensor, or of one that is no tensor and has the
method, calls ``__torch_function__(operation, types, args, kwargs)`` of the class. Tensor's own runs the
operation and gives the class to its results (``_tensor/subclasses.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from unspool._core import Tensor
from unspool._tensor.subclasses import is_asked

__all__ = [
    "TorchFunctionMode",
    "get_default_nowrap_functions",
    "handle_torch_function",
    "has_torch_function",
    "is_tensor_like",
]


def _askable(argument: Any) -> bool:
    return type(argument) is not Tensor and is_asked(type(argument))


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether the class of an argument is to be asked: not those of plain tensors and parameters."""
    return any(_askable(each) for each in relevant_args)


def get_default_nowrap_functions() -> set[Any]:
    """Give the functions whose results stay plain: none has to, as ``.grad`` asks nobody."""
    return set()


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
