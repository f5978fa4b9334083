"""Clipping of gradients, by their common norm or element by element (Pascanu et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool._warning import warn

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        return [tensors]
    if not isinstance(tensors, Iterable):
        raise TypeError(
            f"expected a Tensor or an iterable of Tensors, such as model.parameters(), not "
            f"{type(tensors).__name__}"
        )
    return list(tensors)


def _gradients(parameters: Tensors) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all tensors taken as one vector.

    Args:
        tensors: tensors of any shapes.
        norm_type: exponent; may be infinite.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: accepted and without effect.

    Returns:
        A 0-d tensor.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite``.
    """
    del foreach
    listed = _listed(tensors)
    if not listed:
        return unspool.tensor(0.0)
    exponent = float(norm_type)
    with unspool.no_grad():
        total = total_of_norms([tensor.norm(exponent) for tensor in listed], exponent)
    if error_if_nonfinite and not bool(unspool.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {exponent} for gradients from `parameters` is non-finite, so it cannot "
            "be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def total_of_norms(norms: list[Tensor], exponent: float) -> Tensor:
    """The norm of all tensors taken as one vector, from the norm of each."""
    if not norms:
        return unspool.tensor(0.0)
    total: Tensor = unspool.stack(norms).norm(exponent)
    return total


def clipping_factor(max_norm: float, total_norm: Tensor) -> Tensor:
    """What gradients of this norm are multiplied by, at most 1."""
    # In a compiled step the limit is read at each replay, where it can be.
    limit = _core.live_number(max_norm, total_norm.dtype)
    factor: Tensor = ((max_norm if limit is None else limit) / (total_norm + 1e-6)).clamp_max(1.0)
    return factor


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scales all gradients by ``max_norm / total_norm`` where that is below 1.

    Args:
        parameters: one tensor or several, with gradients.
        max_norm: the norm wanted at most.
        total_norm: the norm that the gradients have.
        foreach: accepted and without effect.
    """
    del foreach
    with unspool.no_grad():
        scale = clipping_factor(max_norm, total_norm)
        for gradient in _gradients(parameters):
            gradient.mul_(scale)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients, in place, so that their common norm is at most ``max_norm``.

    Args:
        parameters: one tensor or several; those without a gradient are left out.
        max_norm: the norm wanted at most.
        norm_type: exponent; may be infinite.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: accepted and without effect.

    Returns:
        The norm before clipping, a 0-d tensor.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite``.
    """
    listed = _listed(parameters)
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """Deprecated name of ``clip_grad_norm_``."""
    warn("clip_grad_norm is deprecated: call clip_grad_norm_", FutureWarning)
    return clip_grad_norm_(*args, **kwargs)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Holds every element of every gradient, in place, between ``-clip_value`` and ``clip_value``.

    Args:
        parameters: one tensor or several; those without a gradient are left out.
        clip_value: the bound.
        foreach: accepted and without effect.
    """
    del foreach
    bound = float(clip_value)
    with unspool.no_grad():
        for gradient in _gradients(parameters):
            gradient.clamp_(-bound, bound)
