"""What several families of functions share: in-place forms and the old ways to name a reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool import _core
from unspool._core import Tensor
from unspool._functions.overwriting import overwrite
from unspool._warning import warn

ops = _core.functional

REDUCTIONS = ("none", "mean", "sum")


def in_place(name: str, function: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """Overwrites ``input`` by ``function(input, *args)`` and returns it.

    The core's own in-place form is used where there is one. Elsewhere the function reads a copy, because its
    derivative may need the values that are about to be overwritten.
    """
    direct = getattr(ops, name + "_", None)
    if direct is not None:
        result: Tensor = direct(input, *args)
        return result
    source = input.clone() if _core.is_grad_enabled() and input.requires_grad else input
    return overwrite(f"{name}_", input, function(source, *args))


def is_legacy(size_average: bool | None, reduce: bool | None, reduction: str) -> bool:
    """Whether ``legacy_reduction`` is to say what is meant."""
    return size_average is not None or reduce is not None or reduction == "elementwise_mean"


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the deprecated flags ask for; ``reduction`` where neither is given.

    ``reduce=False`` is "none"; otherwise ``size_average`` chooses between "mean" (also when None) and "sum".
    "elementwise_mean" is an older name of "mean".
    """
    if size_average is None and reduce is None:
        if reduction != "elementwise_mean":
            return reduction
        warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.")
        return "mean"
    is_kept = reduce is not None and not reduce
    chosen = "none" if is_kept else "mean" if size_average is None or size_average else "sum"
    warn(
        f"size_average and reduce args will be deprecated, please use reduction='{chosen}' instead.",
    )
    return chosen


def reduced(loss: Tensor, reduction: str, name: str) -> Tensor:
    """``loss`` as it is, its mean, or its sum.

    Raises:
        ValueError: ``reduction`` is none of "none", "mean", "sum".
    """
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{name}: {reduction!r} is not a valid value for reduction; choose one of {REDUCTIONS}")
