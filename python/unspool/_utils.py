"""What public packages take from PyTorch's private helpers: lists of tensors as one vector, and back."""

from __future__ import annotations

from collections.abc import Sequence

from unspool._core import Tensor, ops
from unspool._lazy import lazy as _on_demand

__all__ = ["_flatten_dense_tensors", "_unflatten_dense_tensors"]

__getattr__ = _on_demand(__name__)


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """Put the elements of all tensors into one vector, in row-major order.

    Args:
        tensors: at least one tensor, of one dtype and of any shapes.
    """
    return ops.cat([each.reshape(-1) for each in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Cut a vector into views of the shapes of ``tensors``.

    Args:
        flat: vector with as many elements as all tensors together.
        tensors: where the shapes are taken from.

    Raises:
        RuntimeError: if the numbers of elements differ.
    """
    counts = [each.numel() for each in tensors]
    if flat.ndim != 1 or flat.numel() != sum(counts):
        raise RuntimeError(
            f"_unflatten_dense_tensors: a vector of {sum(counts)} elements is needed, "
            f"got shape {tuple(flat.shape)}"
        )
    return tuple(part.view(each.shape) for part, each in zip(flat.split(counts), tensors, strict=True))
