"""Normalization over neighbouring channels; the others are operations of the core."""

from __future__ import annotations

import math

import unspool
from unspool._arguments import require_tensor
from unspool._core import Tensor


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """X / (k + alpha / size * Σ x^2)^beta, the sum over ``size`` channels around each one.

    Krizhevsky et al. 2012, section 3.3; channels outside of the input count as 0.

    Args:
        input: (N, C, ...), at least 3 dimensions.
        size: number of channels in the sum.
        alpha: factor of the mean square.
        beta: exponent.
        k: what the mean square is added to.

    Raises:
        ValueError: fewer than 3 dimensions.
    """
    require_tensor("input", input, "local_response_norm")
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if math.prod(input.shape) == 0:
        return input
    squares = input * input
    before, after = size // 2, (size - 1) // 2
    rest = list(input.shape[2:])
    low = unspool.zeros([input.shape[0], before, *rest], dtype=input.dtype)
    high = unspool.zeros([input.shape[0], after, *rest], dtype=input.dtype)
    padded = unspool.cat([low, squares, high], 1)
    total = padded.narrow(1, 0, input.shape[1])
    for offset in range(1, size):
        total = total + padded.narrow(1, offset, input.shape[1])
    result: Tensor = input / (total * (alpha / size) + k).pow(beta)
    return result
