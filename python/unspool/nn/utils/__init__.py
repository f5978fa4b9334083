"""Helpers for training: clipping of gradients, parameters as one vector."""

from __future__ import annotations

from unspool._lazy import lazy
from unspool.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from unspool.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

__getattr__ = lazy(__name__, ["stateless"])

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]
