"""The safetensors format: a JSON header that says where each named tensor lies, then their bytes.

Its length as 8 bytes, little-endian; the header; the data, in which tensors follow each other without gaps.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

import unspool
from unspool import _core
from unspool._core import Tensor, dtype
from unspool._io.source import Source, damaged

_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_ALIGNMENT = 8


def write(tensors: Any, file: BinaryIO) -> None:
    """Write named tensors; TypeError for anything else."""
    if not isinstance(tensors, Mapping):
        raise TypeError(f"save: safetensors files hold a dict of tensors, not a {type(tensors).__name__}")
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise TypeError(f"save: {name!r} is a {kind}; safetensors files hold tensors only, by name")
        begin, end = end, end + tensor.nbytes
        code = _NAMES[tensor.dtype.__name__]
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for tensor in tensors.values():
        # A copy, as the storage may hold more than the tensor shows of it.
        file.write(_core._storage_memory(tensor.detach().clone())[: tensor.nbytes])


def read(source: Source, mapped: bool) -> dict[str, Tensor]:
    """Read named tensors, or give views of the file's pages."""
    if sys.byteorder != "little":
        raise NotImplementedError("load: safetensors files are read on little-endian machines only")
    length = int.from_bytes(source.read(8), "little")
    if length > source.remaining():
        raise damaged("its header is longer than the file")
    try:
        header = json.loads(source.read(length))
        header.pop("__metadata__", None)
        entries = {name: _entry(entry) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(f"its header cannot be read: {error}") from None
    start = 8 + length
    tensors = {}
    for name, (kind, shape, begin, end) in entries.items():
        count = math.prod(shape)
        if not 0 <= begin <= end <= source.size - start or end - begin != count * kind.itemsize:
            raise damaged(f"tensor {name!r} does not lie within it")
        flat = source.tensor(start + begin, count, kind, mapped)
        tensors[name] = flat.reshape(shape)
    return tensors


def _entry(entry: Any) -> tuple[dtype, list[int], int, int]:
    by_code = {code: name for name, code in _NAMES.items()}
    shape, (begin, end) = entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in [*shape, begin, end]):
        raise ValueError("sizes must be integers from 0 on")
    if entry["dtype"] not in by_code:
        raise ValueError(f"dtype {entry['dtype']!r} is not supported")
    return getattr(unspool, by_code[entry["dtype"]]), shape, begin, end
