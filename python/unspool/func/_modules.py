"""Modules for transformed functions: many of one kind at once, and batch norms that keep nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import unspool
from unspool._core import Tensor

__all__ = ["replace_all_batch_norm_modules_", "stack_module_state"]


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of modules of one kind, each stacked along a new first dimension.

    ``vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(parameters, buffers)`` gives what each makes
    of x.

    Args:
        models: modules of the same class with the same shapes, all in training mode or all not.

    Returns:
        (parameters, buffers) by name. The parameters are leaves that require grad where the modules' do.

    Raises:
        RuntimeError: no modules, or modules that differ in class, mode, or which parameters require grad.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(model.training for model in models) or not any(model.training for model in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(models[0]) for model in models):
        kinds = sorted({type(model).__name__ for model in models})
        raise RuntimeError(f"stack_module_state: Expected all models to be of the same class, got {kinds}.")
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return (
        {name: _stacked(name, [each[name] for each in parameters]) for name in parameters[0]},
        {name: _stacked(name, [each[name] for each in buffers]) for name in buffers[0]},
    )


def _stacked(name: str, values: list[Tensor]) -> Tensor:
    requires_grad = {value.requires_grad for value in values}
    if len(requires_grad) > 1:
        raise RuntimeError(f"stack_module_state: {name!r} requires grad in some of the models only")
    return unspool.stack([value.detach() for value in values]).requires_grad_(requires_grad.pop())


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Makes the batch norms of a module normalize by their batch alone, in training and in evaluation.

    Args:
        root: a module; its batch norms lose their running statistics in place.

    Returns:
        ``root``.
    """
    for module in root.modules():
        if isinstance(module, unspool.nn.modules.batchnorm._BatchNorm):
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
