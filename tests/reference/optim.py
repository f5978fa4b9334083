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


def radam(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Iterator[Array]:
    """Liu et al. 2020, algorithm 2, with the second moment's bias correction outside of epsilon."""
    first, second = np.zeros_like(p), np.zeros_like(p)
    limit = 2 / (1 - betas[1]) - 1
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, 0.0 if decoupled_weight_decay else weight_decay, maximize)
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        first = betas[0] * first + (1 - betas[0]) * g
        second = betas[1] * second + (1 - betas[1]) * g * g
        length = limit - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        step = first / (1 - betas[0] ** t)
        if length > 5:
            tractable = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            step = step * np.sqrt(tractable) * np.sqrt(1 - betas[1] ** t) / (np.sqrt(second) + eps)
        p = p - lr * step
        yield p


def nadam(
    p: Array,
    gradient: Gradient,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Iterator[Array]:
    """Dozat 2016; the product of momenta is taken in float32, whatever the parameter's dtype."""
    first, second = np.zeros_like(p), np.zeros_like(p)
    product = 1.0
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, 0.0 if decoupled_weight_decay else weight_decay, maximize)
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        now, following = (betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
        product = float(np.float32(product) * np.float32(now))
        first = betas[0] * first + (1 - betas[0]) * g
        second = betas[1] * second + (1 - betas[1]) * g * g
        mean = following * first / (1 - product * following) + (1 - now) * g / (1 - product)
        p = p - lr * mean / (np.sqrt(second / (1 - betas[1] ** t)) + eps)
        yield p


def adamax(
    p: Array,
    gradient: Gradient,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Iterator[Array]:
    """Kingma and Ba 2015, algorithm 2, with epsilon inside of the maximum."""
    first, norm = np.zeros_like(p), np.zeros_like(p)
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, weight_decay, maximize)
        first = betas[0] * first + (1 - betas[0]) * g
        norm = np.maximum(betas[1] * norm, np.abs(g) + eps)
        p = p - lr / (1 - betas[0] ** t) * first / norm
        yield p


def asgd(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Iterator[Array]:
    """Polyak and Juditsky 1992 (the average itself is state); the rate is kept in float32."""
    eta = float(np.float32(lr))
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, weight_decay, maximize)
        p = p * (1 - lambd * eta) - eta * g
        eta = float(np.float32(lr / (1 + lambd * lr * t) ** alpha))
        yield p


def rprop(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-2,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> Iterator[Array]:
    """Riedmiller and Braun 1993, where a change of sign skips an update."""
    last, size = np.zeros_like(p), np.full_like(p, lr)
    while True:
        g = _direction(p, gradient, 0.0, maximize)
        agreement = np.sign(g * last)
        factor = np.where(agreement > 0, etas[1], np.where(agreement < 0, etas[0], 1.0))
        size = np.clip(size * factor, *step_sizes).astype(p.dtype)
        last = np.where(agreement < 0, 0.0, g).astype(p.dtype)
        p = p - np.sign(last) * size
        yield p


def adafactor(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-2,
    beta2_decay: float = -0.8,
    eps: tuple[float | None, float] = (None, 1e-3),
    d: float = 1.0,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Iterator[Array]:
    """Shazeer and Stern 2018, algorithms 4 and 5, with means for sums and no epsilon added to squares."""
    eps1 = np.finfo(p.dtype).eps if eps[0] is None else eps[0]
    row: Any = 0.0
    column: Any = 0.0
    moment: Any = 0.0
    t = 0
    while True:
        t += 1
        g = _direction(p, gradient, 0.0, maximize)
        if p.size == 0:
            yield p
            continue
        size = min(lr, t**-0.5) * max(eps[1], float(np.sqrt(np.mean(p * p))))
        p = p * (1 - lr * weight_decay)
        rate = t**beta2_decay
        if p.ndim > 1:
            row = (1 - rate) * row + rate * np.mean(g * g, axis=-1, keepdims=True)
            column = (1 - rate) * column + rate * np.mean(g * g, axis=-2, keepdims=True)
            moment = row * column / np.maximum(np.mean(row, axis=-2, keepdims=True), eps1)
        else:
            moment = (1 - rate) * moment + rate * g * g
        update = g / np.maximum(np.sqrt(moment), eps1)
        update = update / max(1.0, float(np.sqrt(np.mean(update * update))) / d)
        p = (p - size * update).astype(p.dtype)
        yield p


def muon(
    p: Array,
    gradient: Gradient,
    lr: float = 1e-3,
    weight_decay: float = 0.1,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
    eps: float = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: str | None = None,
) -> Iterator[Array]:
    """Jordan et al. 2024: the odd polynomial of the iteration acts on singular values alone."""
    mean = np.zeros_like(p)
    a, b, c = ns_coefficients
    rows, columns = p.shape
    if adjust_lr_fn == "match_rms_adamw":
        scale = 0.2 * max(rows, columns) ** 0.5
    else:
        scale = max(1.0, rows / columns) ** 0.5
    while True:
        g = gradient(p)
        mean = momentum * mean + (1 - momentum) * g
        direction = (1 - momentum) * g + momentum * mean if nesterov else mean
        left, values, right = np.linalg.svd(direction, full_matrices=False)
        values = values / max(float(np.sqrt(np.sum(values * values))), eps)
        for _ in range(ns_steps):
            values = a * values + b * values**3 + c * values**5
        p = (p * (1 - lr * weight_decay) - lr * scale * (left * values) @ right).astype(p.dtype)
        yield p


RULES: dict[str, Callable[..., Iterator[Array]]] = {
    "SGD": sgd,
    "Adam": adam,
    "AdamW": adamw,
    "RMSprop": rmsprop,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
    "RAdam": radam,
    "NAdam": nadam,
    "Adamax": adamax,
    "ASGD": asgd,
    "Rprop": rprop,
    "Adafactor": adafactor,
}
