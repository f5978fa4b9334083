"""Transformations of functions, and modules called with other parameters.

Functions may take and give tensors in nested dicts, lists and tuples. The transformations nest, and their
results are differentiable where their inputs are.
"""

from __future__ import annotations

from unspool.func._transforms import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
    vmap,
)
from unspool.nn.utils.stateless import functional_call

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
    "vmap",
]
