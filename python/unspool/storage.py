"""The bytes behind tensors, as an object."""

from __future__ import annotations

from typing import Any

from unspool import _core
from unspool._core import Tensor, device

__all__ = ["UntypedStorage"]


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
