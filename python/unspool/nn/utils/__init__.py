"""Helpers for training: clipping, parameters as one vector, packed sequences, normalized weights."""

from __future__ import annotations

from unspool._lazy import lazy as _on_demand
from unspool.nn.utils import parametrizations, parametrize, rnn
from unspool.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from unspool.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from unspool.nn.utils.skip_init import skip_init
from unspool.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from unspool.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]

__getattr__ = _on_demand(__name__, ["prune", "stateless"])
