"""Checks of hyperparameters that several optimizers share; their messages name the value."""

from __future__ import annotations

from numbers import Real
from typing import Any

from unspool._core import Tensor


def _check_number(name: str, value: Any) -> None:
    if not isinstance(value, (Real, Tensor)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")


def check_not_negative(**values: Any) -> None:
    """Raises ValueError for a value below 0 (or NaN), TypeError for what is no number."""
    for name, value in values.items():
        _check_number(name, value)
        if not value >= 0.0:
            raise ValueError(f"Invalid {name} value: {value}")


def check_learning_rate(lr: Any) -> None:
    """Raises ValueError for a negative rate or several elements, TypeError for what is no number."""
    _check_number("lr", lr)
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_betas(betas: Any) -> None:
    """Raises ValueError for a beta outside of [0, 1), or a number beside a tensor."""
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_variants(optimizer: str, *, foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Refuses what the update does not do; the other variants are all the same update here.

    ``foreach`` and ``fused`` choose between implementations elsewhere; here one call updates all parameters.

    Raises:
        NotImplementedError: ``differentiable``.
        RuntimeError: ``foreach`` and ``fused`` together.
    """
    if foreach and fused:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise NotImplementedError(
            f"{optimizer}(differentiable=True): the update runs outside of the tape, so that gradients "
            "cannot flow "
            "through it; write the update with operations on tensors instead"
        )
