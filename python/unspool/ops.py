"""Operations that ``unspool.library.custom_op`` has made: ``unspool.ops.namespace.name``."""

from __future__ import annotations

from typing import Any, NoReturn

from unspool._lazy import missing
from unspool.library import _OPERATIONS, CustomOpDef


def load_library(path: str) -> NoReturn:
    """Raise OSError: compiled operations need PyTorch's own binaries.

    It is what PyTorch raises for a file that cannot be loaded; packages such as torchvision then go on with
    what they have in Python.
    """
    raise OSError(f"{path} is built against PyTorch's binaries and cannot be loaded with unspool")


class _Namespace:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> CustomOpDef:
        try:
            return _OPERATIONS[f"{self._name}::{name}"]
        except KeyError:
            raise AttributeError(
                f"there is no operation {self._name}::{name}; make it with library.custom_op",
                name=name,
                obj=self,
            ) from None


class _Named:
    """A name below PyTorch's ``ops.aten``: packages use them as keys of tables. Calling one raises."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _Named:
        if name.startswith("__"):
            raise AttributeError(name, name=name, obj=self)
        made = self.__dict__[name] = _Named(f"{self._name}.{name}")
        return made

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"torch.ops.{self._name} is not implemented in unspool, whose operations have no such forms; "
            "call the function or method of that name"
        )


aten = _Named("aten")


def __getattr__(name: str) -> _Namespace:
    if any(each.startswith(f"{name}::") for each in _OPERATIONS):
        return _Namespace(name)
    raise missing(__name__, name)
