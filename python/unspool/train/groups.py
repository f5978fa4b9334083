"""Parameter groups for optimizers: hyperparameters by name and by depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unspool.nn import Module
from unspool.train._patterns import matches, select


def parameter_groups(
    module: Module,
    lr: float,
    rules: Mapping[str, float | Mapping[str, Any]] | None = None,
    *,
    depth_decay: float = 1.0,
) -> list[dict[str, Any]]:
    """Give the groups of an optimizer that trains the layers of a network at rates of their own.

    A layer is a module that holds parameters itself; layers count in the order in which they were
    registered. With L of them that are trained, layer l (from 0) learns at ``lr * depth_decay ** (L - 1 -
    l)``: the last one at ``lr``, those before it more slowly the deeper they lie (Howard and Ruder 2018,
    "discriminative fine-tuning").

    Args:
        module: whose parameters; frozen ones are left out.
        lr: of the last layer.
        rules: by pattern (see ``freeze``) a learning rate, or hyperparameters of any kind; they replace what
            depth says, and later ones replace earlier ones.
        depth_decay: ratio of the rates of neighbouring layers, above 0.

    Returns:
        Groups with their parameters as (name, parameter) pairs, for any optimizer; parameters with the same
        hyperparameters share a group.

    Raises:
        ValueError: a pattern that means no trained parameter; rates out of their range; nothing to train.

    Example::

        freeze(model, "stem")
        groups = parameter_groups(model, 1e-3, {"head": 1e-2, "*.bias": {"weight_decay": 0}}, depth_decay=0.8)
        optimizer = unspool.optim.AdamW(groups)
    """
    if not lr >= 0:
        raise ValueError(f"parameter_groups: lr must not be negative, got {lr}")
    if not depth_decay > 0:
        raise ValueError(f"parameter_groups: depth_decay must be positive, got {depth_decay}")
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not trained:
        raise ValueError("parameter_groups: no parameter requires a gradient; unfreeze some")
    given = {
        pattern: dict(rule) if isinstance(rule, Mapping) else {"lr": rule}
        for pattern, rule in (rules or {}).items()
    }
    select("parameter_groups", list(given), trained, "parameter that is trained")
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in trained))
    groups: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}
    for name, parameter in trained.items():
        below = len(layers) - 1 - layers.index(name.rpartition(".")[0])
        options: dict[str, Any] = {"lr": lr * depth_decay**below}
        for pattern, rule in given.items():
            if matches(pattern, name):
                options.update(rule)
        group = groups.setdefault(tuple(sorted(options.items())), {"params": [], **options})
        group["params"].append((name, parameter))
    return list(groups.values())
