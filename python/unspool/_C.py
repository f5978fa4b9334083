"""Names that scripts take from PyTorch's compiled module, mostly because an editor added the import.

What unspool has is given from where it is; ``Value``, ``Graph`` and
``PyTorchFileReader`` are for annotations and have no objects.
"""

from __future__ import annotations

from enum import Enum
from types import SimpleNamespace
from typing import Any

from unspool._core import Generator, Size, Tensor, device, dtype
from unspool._tensor.subclasses import DisableTorchFunctionSubclass, disabled_torch_function
from unspool.fx import Graph
from unspool.nn.modules.module import _parse_to as _parse_to_of_modules

__all__ = [
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "DispatchKey",
    "DispatchKeySet",
    "Generator",
    "Graph",
    "PyTorchFileReader",
    "Size",
    "Value",
    "device",
    "dtype",
]

# Classes derived from Tensor are not asked inside; there are no modes that could be.
DisableTorchFunction = DisableTorchFunctionSubclass
_disabled_torch_function_impl = disabled_torch_function

# The class of the class of tensors.
_TensorMeta = type(Tensor)


def _parse_to(*args: Any, **kwargs: Any) -> tuple[device | None, dtype | None, bool, Any]:
    """Give device, dtype, non_blocking and memory_format of any call form of ``Module.to``."""
    where, kind, non_blocking = _parse_to_of_modules(args, kwargs)
    return None if where is None else device(where), kind, non_blocking, kwargs.get("memory_format")


# Libraries that override ``Module.to`` read its arguments by ``torch._C._nn._parse_to``.
_nn = SimpleNamespace(_parse_to=_parse_to)


def _get_tracing_state() -> None:
    """Give None: PyTorch's tracer does not run."""


def _are_functorch_transforms_active() -> bool:
    """Give False: ``vmap`` and ``grad`` call functions with plain tensors."""
    return False


def _jit_set_profiling_executor(enable: bool) -> bool:
    """Accept the choice, and give False for the one before: programs are not scripted."""
    del enable
    return False


def _jit_set_profiling_mode(enable: bool) -> bool:
    """Accept the choice, and give False for the one before: programs are not scripted."""
    del enable
    return False


def _log_api_usage_once(event: str) -> None:
    """Do nothing: uses are not logged."""
    del event


class DispatchKey(Enum):
    """Names of PyTorch's places for kernels, which packages put into tables; nothing is looked up by them."""

    AutocastCPU = "AutocastCPU"
    AutocastCUDA = "AutocastCUDA"
    AutocastXPU = "AutocastXPU"
    Autograd = "Autograd"
    AutogradCPU = "AutogradCPU"
    AutogradCUDA = "AutogradCUDA"
    CompositeExplicitAutograd = "CompositeExplicitAutograd"
    CompositeImplicitAutograd = "CompositeImplicitAutograd"
    CPU = "CPU"
    CUDA = "CUDA"
    Meta = "Meta"
    Python = "Python"


class DispatchKeySet:
    """A set of them."""

    def __init__(self, key: DispatchKey) -> None:
        self._keys = frozenset([key])

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        both = DispatchKeySet.__new__(DispatchKeySet)
        both._keys = self._keys | other._keys
        return both

    def has(self, key: DispatchKey) -> bool:
        """Whether the key is in the set."""
        return key in self._keys


class Value:
    """Stands for a value in PyTorch's scripted programs."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError("torch._C.Value is not implemented in unspool; there are no such programs")


class PyTorchFileReader:
    """Stands for PyTorch's reader of archives, in annotations."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError(
            "torch.PyTorchFileReader is not implemented in unspool; read the file with unspool.load"
        )
