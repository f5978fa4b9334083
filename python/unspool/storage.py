"""The bytes behind tensors, as an object."""

from __future__ import annotations

from typing import Any

from unspool import _core
from unspool._core import Tensor, device, dtype, ops

__all__ = ["TypedStorage", "UntypedStorage"]


class UntypedStorage:
    """The memory that a tensor and its views share; made by ``Tensor.untyped_storage()``."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor.detach()
        self._memory = _core._storage_memory(self._tensor)

    def data_ptr(self) -> int:
        """Give the address of the first byte."""
        tensor = self._tensor
        return tensor.data_ptr() - tensor.storage_offset() * tensor.itemsize

    def nbytes(self) -> int:
        """Give the number of bytes."""
        return self._memory.nbytes

    def size(self) -> int:
        """Give the number of bytes."""
        return self._memory.nbytes

    def element_size(self) -> int:
        """Give 1: elements are bytes."""
        return 1

    @property
    def device(self) -> device:
        """Where the memory is."""
        return self._tensor.device

    def __len__(self) -> int:
        return self._memory.nbytes

    def __getitem__(self, index: int) -> int:
        return self._memory[index]

    def tolist(self) -> list[int]:
        """Give the bytes as a list."""
        return self._memory.tolist()

    def is_shared(self) -> bool:
        """Give False: the memory belongs to this process."""
        return False

    def is_pinned(self) -> bool:
        """Give False: there is no device to copy to."""
        return False

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())


class TypedStorage:
    """The memory that a tensor and its views share, as numbers; made by ``Tensor.storage()``."""

    def __init__(self, tensor: Tensor) -> None:
        self._bytes = UntypedStorage(tensor)
        count = self._bytes.nbytes() // tensor.itemsize
        self._elements = ops.as_strided(tensor.detach(), [count], [1], 0)

    @property
    def dtype(self) -> dtype:
        """The type of the numbers."""
        return self._elements.dtype

    @property
    def device(self) -> device:
        """Where the memory is."""
        return self._elements.device

    def untyped(self) -> UntypedStorage:
        """Give the same memory as bytes."""
        return self._bytes

    def data_ptr(self) -> int:
        """Give the address of the first element."""
        return self._bytes.data_ptr()

    def nbytes(self) -> int:
        """Give the number of bytes."""
        return self._bytes.nbytes()

    def size(self) -> int:
        """Give the number of elements."""
        return self._elements.numel()

    def element_size(self) -> int:
        """Give the number of bytes per element."""
        return self._elements.itemsize

    def tolist(self) -> list[float]:
        """Give the elements as a list."""
        return list(self._elements.tolist())

    def is_shared(self) -> bool:
        """Give False: the memory belongs to this process."""
        return False

    def __len__(self) -> int:
        return self._elements.numel()

    def __getitem__(self, index: int) -> float:
        return float(self._elements[index]) if self.dtype.is_floating_point else int(self._elements[index])

    def __setitem__(self, index: int, value: float) -> None:
        self._elements[index] = value

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, TypedStorage) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._bytes)
