"""Helpers of distributions: parameters of one shape, probabilities and logits, lazy properties."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

import unspool
from unspool._core import Tensor

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "numpy_generator",
    "probs_to_logits",
    "sum_rightmost",
]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors of one shape from tensors and numbers; numbers take the dtype of the first tensor."""
    for value in values:
        if not isinstance(value, Tensor | int | float):
            raise ValueError("Input arguments must all be instances of Number or torch.Tensor.")
    first = next((value for value in values if isinstance(value, Tensor)), None)
    kind = unspool.get_default_dtype() if first is None or not first.is_floating_point() else first.dtype
    tensors = [v if isinstance(v, Tensor) else unspool.tensor(v, dtype=kind) for v in values]
    if all(each.shape == tensors[0].shape for each in tensors):
        return tuple(tensors)
    return unspool.broadcast_tensors(*tensors)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept an epsilon away from 0 and 1."""
    eps = unspool.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log-odds of one probability, or logarithms of several."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """The reverse: sigmoid, or softmax over the last dimension."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


class lazy_property:
    """A method whose result is computed, with gradients, when it is first asked for, and kept."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with unspool.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def numpy_generator() -> np.random.Generator:
    """A generator of NumPy's, seeded from the default one, so that ``manual_seed`` fixes its draws."""
    return np.random.default_rng(unspool.randint(0, 2**31 - 1, (4,)).tolist())


def sum_rightmost(value: Tensor, dims: int) -> Tensor:
    """The sum over the last ``dims`` dimensions."""
    return value.flatten(-dims).sum(-1) if dims > 0 else value


# The name that packages of distributions built on PyTorch take it by.
_sum_rightmost = sum_rightmost


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    """Draw a tensor of standard normal numbers, as distributions of other packages do."""
    return unspool.normal(unspool.zeros(shape, dtype=dtype, device=device), 1.0)
