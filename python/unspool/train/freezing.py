"""Parameters that stay as they are, chosen by name."""

from __future__ import annotations

from unspool.nn import Module
from unspool.train._patterns import select


def freeze(module: Module, *patterns: str) -> list[str]:
    """Keep parameters as they are: they require no gradient any more, and lose the one they have.

    What is computed from frozen parameters alone is not recorded, so that the backward pass ends before it.
    Running statistics are buffers, not parameters: put a frozen normalization layer into ``eval()`` as well
    if they are to stay.

    Args:
        module: whose parameters.
        patterns: of their dotted names: "features" means all that is below ``module.features``; "*" stands
            for anything, so that "*.bias" means every bias. None at all mean every parameter.

    Returns:
        The names that were meant.

    Raises:
        ValueError: a pattern that means no parameter.
    """
    return _set("freeze", module, patterns, requires_grad=False)


def unfreeze(module: Module, *patterns: str) -> list[str]:
    """Let parameters be trained again; arguments and result as for ``freeze``."""
    return _set("unfreeze", module, patterns, requires_grad=True)


def _set(caller: str, module: Module, patterns: tuple[str, ...], requires_grad: bool) -> list[str]:
    if not isinstance(module, Module):
        raise TypeError(f"{caller}: expected a Module, not {type(module).__name__}")
    parameters = dict(module.named_parameters())
    chosen = select(caller, patterns or ("*",), parameters, "parameter") if parameters else []
    for name in chosen:
        parameters[name].requires_grad_(requires_grad)
        if not requires_grad:
            parameters[name].grad = None
    return chosen
