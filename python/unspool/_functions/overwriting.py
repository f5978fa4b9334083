"""Writing a result over a tensor, for in-place functions that Python composes."""

from __future__ import annotations

from unspool._core import Tensor
from unspool._dtypes import can_cast


def overwrite(name: str, target: Tensor, result: Tensor) -> Tensor:
    """Write ``result`` into ``target``, unless it is the target itself, and return the target.

    Raises:
        RuntimeError: the target's dtype cannot hold the kind of number, or its shape is not the result's.
    """
    if result is target:
        return target
    if not can_cast(result.dtype, target.dtype):
        raise RuntimeError(
            f"{name}: the result is {result.dtype} and cannot be written into a tensor of {target.dtype}; "
            "convert the tensor first"
        )
    if result.shape != target.shape:
        raise RuntimeError(
            f"{name}: the result has shape {tuple(result.shape)}, which does not fit the tensor's "
            f"{tuple(target.shape)}"
        )
    return target.copy_(result)
