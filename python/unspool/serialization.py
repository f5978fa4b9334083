"""Files of named tensors: safetensors, written to a temporary name and renamed; loading runs no code."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unspool import _core
from unspool._core import Tensor


def _require_safetensors(f: str | os.PathLike[str]) -> Path:
    path = Path(f)
    if path.suffix != ".safetensors":
        raise NotImplementedError(
            f"save/load: the format of {path.name!r} is not supported; use a name that ends in .safetensors"
        )
    return path


def save(obj: Mapping[str, Tensor], f: str | os.PathLike[str]) -> None:
    """Write a ``state_dict`` (names to tensors) to a ``.safetensors`` file.

    An existing file stays whole until the new one is complete.

    Raises:
        NotImplementedError: the file name does not end in ``.safetensors``.
        TypeError: a value is not a tensor.
        ImportError: the package safetensors is not installed.
    """
    from safetensors.numpy import save as serialize

    path = _require_safetensors(f)
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    for name, value in obj.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"save: {name!r} is a {type(value).__name__}; safetensors files hold tensors only"
            )
        arrays[name] = np.ascontiguousarray(value.detach().numpy()).reshape(value.shape)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(serialize(arrays))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(f: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a ``.safetensors`` file into a dict of tensors.

    Raises:
        NotImplementedError: the file name does not end in ``.safetensors``.
        FileNotFoundError: there is no such file.
        ImportError: the package safetensors is not installed.
    """
    from safetensors.numpy import load as deserialize

    arrays = deserialize(_require_safetensors(f).read_bytes())
    return {name: _core.tensor(array) for name, array in arrays.items()}
