"""Transformations of functions, and modules called with other parameters or many at once.

Functions may take and give tensors in nested dicts, lists and tuples. The transformations nest, and their
results are differentiable where their inputs are.
"""

from __future__ import annotations

from unspool.func._modules import replace_all_batch_norm_modules_, stack_module_state
from unspool.func._transforms import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from unspool.func._vmap import vmap
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
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
