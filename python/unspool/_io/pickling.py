"""Writes the pickle of an archive: tensors by the names that PyTorch's reader knows, all else as usual."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any, BinaryIO, ClassVar

from unspool import _core
from unspool._core import Tensor
from unspool._io.allowed import STORAGES
from unspool._layouts import sparse_coo
from unspool.nn.parameter import Buffer, Parameter

_STORAGE_OF = {element: name for name, element in STORAGES.items()}


class _Name:
    """A name in a module that need not exist here."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self) -> None:
        """Be callable, which is what pickle asks of a function that rebuilds."""


_TENSOR = _Name("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = _Name("torch._utils", "_rebuild_parameter")
_PARAMETER_WITH_STATE = _Name("torch._utils", "_rebuild_parameter_with_state")
_SPARSE = _Name("torch._utils", "_rebuild_sparse_tensor")
_LAYOUT = _Name("torch.serialization", "_get_layout")
_FROM_TYPE = _Name("torch._tensor", "_rebuild_from_type_v2")
_SIZE = _Name("torch", "Size")
_DEVICE = _Name("torch", "device")
_TENSOR_TYPE = _Name("torch", "Tensor")


class _StorageOf:
    """The storage of a tensor, in a pickle."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


# The one that is written in Python: it can be told how to write a name.
_Base: Any = pickle._Pickler


class Pickler(_Base):  # type: ignore[misc]
    """Pickles an object and collects the storages of its tensors, by number."""

    def __init__(self, file: BinaryIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: list[Tensor] = []
        self._numbers: dict[int, int] = {}

    def reducer_override(self, obj: Any) -> Any:
        """Say how tensors and their companions are rebuilt."""
        if isinstance(obj, Tensor):
            return _reduce_tensor(obj)
        if getattr(type(obj), "is_sparse", False) is True:
            stored = (obj._indices(), obj._values().detach(), obj.shape, obj.is_coalesced())
            return _SPARSE, (sparse_coo, stored)
        if obj is sparse_coo:
            return _LAYOUT, ("torch.sparse_coo",)
        if isinstance(obj, _core.dtype):
            return obj.__name__  # pickle then calls save_global
        if isinstance(obj, _core.Size):
            return _SIZE, (tuple(obj),)
        if isinstance(obj, _core.device):
            return _DEVICE, ((obj.type,) if obj.index is None else (obj.type, obj.index))
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a name."""
        if isinstance(obj, _core.dtype):
            obj, name = _Name("torch", obj.__name__), None
        if not isinstance(obj, _Name):
            super().save_global(obj, name)
            return
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    dispatch: ClassVar[dict[type, Any]] = {**_Base.dispatch, _Name: save_global}

    def persistent_id(self, obj: Any) -> Any:
        """Name a storage instead of writing it here."""
        if not isinstance(obj, _StorageOf):
            return None
        tensor = obj.tensor
        kind = _Name("torch", _STORAGE_OF[tensor.dtype.__name__])
        memory = _core._storage_memory(tensor)
        return "storage", self._once(kind), str(self._number(tensor)), "cpu", memory.nbytes // tensor.itemsize

    def _once(self, name: _Name) -> _Name:
        """Give the same object for the same name, so that it is written once."""
        known: _Name = self.__dict__.setdefault("_names", {}).setdefault((name.module, name.name), name)
        return known

    def _number(self, tensor: Tensor) -> int:
        begin = tensor.data_ptr() - tensor.storage_offset() * tensor.itemsize
        # Empty storages may share an address, but nothing else.
        key = begin if tensor.numel() else -1 - len(self.storages)
        number = self._numbers.setdefault(key, len(self.storages))
        if number == len(self.storages):
            self.storages.append(tensor)
        elif self.storages[number].dtype is not tensor.dtype:
            raise RuntimeError(
                f"save: tensors of {self.storages[number].dtype} and {tensor.dtype} share memory; "
                "clone() one of them"
            )
        return number


def _reduce_tensor(tensor: Tensor) -> tuple[Any, ...]:
    state = dict(getattr(tensor, "__dict__", {}))
    kind = type(tensor)
    if kind is Parameter:
        arguments: tuple[Any, ...] = (tensor.data, tensor.requires_grad, OrderedDict())
        return (_PARAMETER_WITH_STATE, (*arguments, state)) if state else (_PARAMETER, arguments)
    parts: tuple[Any, ...] = (
        _StorageOf(tensor.detach()),
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
        tensor.requires_grad,
        OrderedDict(),
    )
    if kind in (Tensor, Buffer) and not state:
        return _TENSOR, parts
    return _FROM_TYPE, (_TENSOR, _TENSOR_TYPE if kind in (Tensor, Buffer) else kind, parts, state)
