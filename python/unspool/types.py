"""Names of types for annotations."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TypeAlias

from unspool._core import Size, Tensor, device, dtype

__all__ = ["Device", "FileLike", "Number"]

from os import PathLike
from typing import IO

Number: TypeAlias = builtins.int | builtins.float | builtins.bool
Device: TypeAlias = device | str | builtins.int | None
FileLike: TypeAlias = str | PathLike[str] | IO[bytes]
_int: TypeAlias = builtins.int
_float: TypeAlias = builtins.float
_bool: TypeAlias = builtins.bool
_size: TypeAlias = Size | list[builtins.int] | tuple[builtins.int, ...]
_dtype: TypeAlias = dtype
_device: TypeAlias = device
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
