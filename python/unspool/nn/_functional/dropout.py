"""Dropout in place."""

from __future__ import annotations

from unspool._core import Tensor
from unspool.nn._functional.common import ops


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability ``p`` and scales the rest by 1 / (1 - p) (Srivastava et al. 2014).

    Args:
        input: any shape, floating point.
        p: probability of an element to be zeroed.
        training: False returns the input as it is.
        inplace: overwrite ``input``.

    Raises:
        ValueError: ``p`` is not in [0, 1].
    """
    if inplace and training:
        return input.copy_(ops.dropout(input, p, training))
    return ops.dropout(input, p, training)
