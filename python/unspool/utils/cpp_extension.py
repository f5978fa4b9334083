"""PyTorch's builder of extensions in C++ and CUDA: names that can be imported, and raise when used."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "BuildExtension",
    "CUDAExtension",
    "CppExtension",
    "include_paths",
    "is_ninja_available",
    "load",
    "load_inline",
]

# Where CUDA is: nowhere.
CUDA_HOME: str | None = None
ROCM_HOME: str | None = None


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.utils.cpp_extension.{name} is not implemented in unspool, whose tensors are not PyTorch's; "
        "write the operation with autograd.Function or library.custom_op"
    )


def is_ninja_available() -> bool:
    """Give False: nothing is built."""
    return False


def load(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("load")


def load_inline(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("load_inline")


def include_paths(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("include_paths")


def CppExtension(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("CppExtension")


def CUDAExtension(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    _refuse("CUDAExtension")


class BuildExtension:
    """Raises NotImplementedError when it is made."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        _refuse("BuildExtension")
