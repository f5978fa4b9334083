"""Names of memory layouts: accepted where PyTorch takes them, though tensors here are laid out row by row."""

from __future__ import annotations

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "layout",
    "legacy_contiguous_format",
    "memory_format",
    "preserve_format",
    "sparse_bsc",
    "sparse_bsr",
    "sparse_coo",
    "sparse_csc",
    "sparse_csr",
    "strided",
]


class _Name:
    """A named constant, found in the package under its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"unspool.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class layout(_Name):
    """How the elements of a tensor are kept: ``strided`` or ``sparse_coo``."""


class memory_format(_Name):
    """In which order dimensions are asked to lie in memory; a wish that changes no values."""


for _class in (layout, memory_format):
    _class.__module__ = "unspool"

strided = layout("strided")
sparse_coo = layout("sparse_coo")
# No tensor is kept so; packages compare with them.
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
legacy_contiguous_format = contiguous_format
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
