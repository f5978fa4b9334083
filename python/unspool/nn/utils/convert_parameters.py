"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import unspool
from unspool._core import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one behind the other: shape (total number of elements,); differentiable."""
    return unspool.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Gives each parameter its part of the vector, which must have one element for each of theirs.

    Raises:
        TypeError: ``vec`` is not a tensor.
        ValueError: it has another number of elements.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected Tensor, but got: {type(vec).__name__}")
    listed = list(parameters)
    total = sum(parameter.numel() for parameter in listed)
    if vec.numel() != total:
        raise ValueError(
            f"vector_to_parameters: the vector has {vec.numel()} elements, the parameters have {total}"
        )
    start = 0
    for parameter in listed:
        part = vec[start : start + parameter.numel()]
        parameter.data = part.reshape(parameter.shape).data
        start += parameter.numel()
