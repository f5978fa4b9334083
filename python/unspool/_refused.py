"""Classes and functions that unspool does not have: the names are there, and using one raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["refused_class", "refused_function"]


def refused_class(torch_name: str, why: str) -> type[Any]:
    """Make a class that no object is of.

    It can be named in annotations, asked by ``isinstance``, and derived from; making an object raises
    NotImplementedError with its name.

    Args:
        torch_name: the class with its module, as PyTorch has it.
        why: what follows "is not implemented in unspool" in the message.
    """

    def refuse(self: Any, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(f"{torch_name} is not implemented in unspool{why}")

    module, _, name = torch_name.rpartition(".")
    members = {
        "__init__": refuse,
        "__doc__": "Raises NotImplementedError when it is made.",
        "__module__": "unspool" + module.removeprefix("torch"),
    }
    return type(name, (), members)


def refused_function(torch_name: str, why: str) -> Callable[..., NoReturn]:
    """Make a function that raises NotImplementedError with its name.

    Args:
        torch_name: the function with its module, as PyTorch has it.
        why: what follows "is not implemented in unspool" in the message.
    """

    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{torch_name} is not implemented in unspool{why}")

    refuse.__name__ = refuse.__qualname__ = torch_name.rpartition(".")[2]
    refuse.__doc__ = "Raise NotImplementedError."
    return refuse
