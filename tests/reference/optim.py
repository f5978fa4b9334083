"""Optimizer updates in pure NumPy, one function per rule, from the formula of the paper it names.

Each is a generator of parameter values: it is given the first value and a function that returns the gradient
at a value, and yields the value after each step. Everything is computed in the dtype of the first value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Gradient = Callable[[Array], Array]


def _direction(p: Array, gradient: Gradient, weight_decay: float, maximize: bool) -> Array:
    """The gradient of what is minimized, the penalty weight_decay |p|^2 / 2 included."""
    g = gradient(p)
    return (-g if maximize else g) + weight_decay * p


def sgd(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> Iterator[Array]:
    """Sutskever et al. 2013, in the form that takes the gradient at p."""
    velocity: Array | None = None
    while True:
        g = _direction(p, gradient, weight_decay, maximize)
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        p = p - lr * g
        yield p


def adam(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> Iterator[Array]:
    """Kingma and Ba 2015; decoupled decay of Loshchilov and Hutter 2019; amsgrad of Reddi et al. 2018."""
    first, second, largest = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, 0.0 if decoupled_weight_decay else weight_decay, maximize)
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        first = betas[0] * first + (1 - betas[0]) * g
        second = betas[1] * second + (1 - betas[1]) * g * g
        largest = np.maximum(largest, second)
        spread = largest if amsgrad else second
        p = p - lr * (first / (1 - betas[0] ** t)) / (np.sqrt(spread / (1 - betas[1] ** t)) + eps)
        yield p


def adamw(p: Array, gradient: Gradient, weight_decay: float = 1e-2, **options: Any) -> Iterator[Array]:
    """Loshchilov and Hutter 2019, algorithm 2."""
    return adam(p, gradient, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def rmsprop(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> Iterator[Array]:
    """Hinton 2012, lecture 6e; centred as in Graves 2013, equations 38 to 45."""
    square, mean, velocity = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    while True:
        g = _direction(p, gradient, weight_decay, maximize)
        square = alpha * square + (1 - alpha) * g * g
        mean = alpha * mean + (1 - alpha) * g
        step = g / (np.sqrt(square - mean * mean if centered else square) + eps)
        velocity = momentum * velocity + step
        p = p - lr * velocity
        yield p


def adagrad(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> Iterator[Array]:
    """Duchi, Hazan and Singer 2011, with diagonal matrices."""
    total = np.full_like(p, initial_accumulator_value)
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, weight_decay, maximize)
        total = total + g * g
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps)
        yield p


def adadelta(
    p: Array,
    gradient: Gradient,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Iterator[Array]:
    """Zeiler 2012, algorithm 1."""
    square, moved = np.zeros_like(p), np.zeros_like(p)
    while True:
        g = _direction(p, gradient, weight_decay, maximize)
        square = rho * square + (1 - rho) * g * g
        step = np.sqrt(moved + eps) / np.sqrt(square + eps) * g
        moved = rho * moved + (1 - rho) * step * step
        p = p - lr * step
        yield p


RULES: dict[str, Callable[..., Iterator[Array]]] = {
    "SGD": sgd,
    "Adam": adam,
    "AdamW": adamw,
    "RMSprop": rmsprop,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
}
