"""Rows: activation functions and the softmax family."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .rows import EXACT, FLOATS, NUMBERS, Array, Draw, Row, Sample, bad, call, ones, table, unary
from .transcendental import erfc, sigmoid

FUNCTIONAL = ("nn.functional",)
BOTH = ("torch", "nn.functional")
THREE = ("torch", "Tensor", "nn.functional")


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    scaled = np.asarray(x, dtype=np.float64) * beta
    return np.asarray(np.where(scaled > threshold, x, np.logaddexp(0.0, scaled) / beta))


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x for x > 0, else alpha (exp(x) - 1)."""
    x = np.asarray(x, dtype=np.float64)
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))))


def selu(x: Array) -> Array:
    """Klambauer et al. 2017: scale * elu(x, alpha) with the fixed point's constants."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return scale * elu(x, alpha)


def celu(x: Array, alpha: float = 1.0) -> Array:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    x = np.asarray(x, dtype=np.float64)
    return np.asarray(np.maximum(x, 0.0) + np.minimum(0.0, alpha * np.expm1(np.minimum(x, 0.0) / alpha)))


def gelu(x: Array, approximate: str = "none") -> Array:
    """x Phi(x); or the tanh formula of Hendrycks and Gimpel 2016."""
    x = np.asarray(x, dtype=np.float64)
    if approximate == "tanh":
        return np.asarray(0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))))
    return 0.5 * x * erfc(-x / np.sqrt(2.0))


def glu(x: Array, dim: int = -1) -> Array:
    """a * sigmoid(b), where a and b are the halves of x along dim."""
    a, b = np.split(x, 2, axis=dim)
    return np.asarray(a * sigmoid(b))


def softmax(x: Array, dim: int) -> Array:
    """exp(x) over its sum along dim."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim == 0 or x.size == 0:
        return np.ones_like(x)
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return np.asarray(e / e.sum(axis=dim, keepdims=True))


def log_softmax(x: Array, dim: int) -> Array:
    """x minus the logarithm of the sum of exp(x) along dim."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim == 0 or x.size == 0:
        return np.zeros_like(x)
    shifted = x - x.max(axis=dim, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True)))


def _softmax_samples(draw: Draw) -> Iterator[Sample]:
    for shape, dim in (
        ((5,), 0),
        ((3, 7), 1),
        ((3, 7), 0),
        ((2, 3, 4), 1),
        ((2, 3, 4), -1),
        ((2, 3, 4), -3),
        ((), 0),
        ((0, 3), 1),
        ((3, 0), 0),
        ((4, 1), 1),
        ((5, 130), 1),
        ((18, 33), 1),
        ((130, 5), 0),
    ):
        yield call(draw(*shape), dim)
    yield call((draw(3, 4) * 300).astype(draw.dtype), 1, smooth=False)


def _threshold_samples(draw: Draw) -> Iterator[Sample]:
    for shape in ((), (7,), (3, 5), (0,), (37, 11)):
        yield call(draw(*shape, away=(1.0,)), 1, 2)


def _prelu_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5, away=(0.0,)), draw(1))
    yield call(draw(3, 4, away=(0.0,)), draw(1))
    yield call(draw(3, 4, away=(0.0,)), draw(4))
    yield call(draw(2, 3, 4, 2, away=(0.0,)), draw(3))
    yield call(draw(0, 3), draw(3))


def prelu(x: Array, weight: Array) -> Array:
    """max(0, x) + weight min(0, x), one weight for all or one for each channel (dimension 1)."""
    x = np.asarray(x)
    if weight.size > 1:
        weight = weight.reshape((1, -1) + (1,) * (x.ndim - 2))
    return np.asarray(np.where(x > 0, x, weight * x))


def _activation_rows() -> tuple[Row, ...]:
    plain: dict[str, Any] = {"dtypes": FLOATS, "result": "same", "in_place": False, "forms": FUNCTIONAL}
    zero: dict[str, Any] = {"away": (0.0,)}
    tail = {"float32": 3e-7, "float64": 1e-15}
    return (
        unary(
            "relu", lambda x: np.maximum(x, 0), dtypes=NUMBERS, result="same", forms=THREE, rtol=EXACT, **zero
        ),
        unary(
            "relu6",
            lambda x: np.clip(x, 0, 6),
            low=-9,
            high=9,
            away=(0.0, 6.0),
            rtol=EXACT,
            **{**plain, "dtypes": NUMBERS},
        ),
        unary(
            "leaky_relu",
            lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
            variants=({}, {"negative_slope": 0.3}),
            **plain,
            **zero,
        ),
        unary("elu", elu, variants=({}, {"alpha": 0.7}), **plain, **zero),
        unary("selu", selu, **{**plain, "forms": BOTH}, **zero),
        unary("celu", celu, variants=({}, {"alpha": 0.7}), **{**plain, "forms": BOTH}, **zero),
        unary(
            "gelu",
            gelu,
            variants=({}, {"approximate": "tanh"}, {"approximate": "none"}),
            atol=tail,
            why="the negative tail is a product with a difference of numbers near one",
            **plain,
            bad=(bad(RuntimeError, ones(2), approximate="erf", words=("approximate",)),),
        ),
        unary("silu", lambda x: x * sigmoid(x), low=-9, high=9, special=False, **plain),
        unary("mish", lambda x: x * np.tanh(softplus(x)), special=False, **plain),
        unary(
            "softplus",
            softplus,
            variants=({}, {"beta": 2.0}, {"beta": 2.0, "threshold": 1.0}),
            away=(0.5,),
            **plain,
        ),
        unary("softsign", lambda x: x / (1 + np.abs(x)), special=False, **plain, **zero),
        unary(
            "hardtanh",
            lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
            rtol=EXACT,
            away=(-1.0, 1.0, 0.5, 2.0),
            variants=({}, {"min_val": 0.5, "max_val": 2.0}),
            **plain,
        ),
        unary(
            "hardsigmoid",
            lambda x: np.clip(x / 6 + 0.5, 0, 1),
            low=-5,
            high=5,
            away=(-3.0, 3.0),
            atol=tail,
            **plain,
        ),
        unary(
            "hardswish",
            lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
            low=-5,
            high=5,
            away=(-3.0, 3.0),
            atol=tail,
            special=False,
            **plain,
        ),
        unary(
            "hardshrink",
            lambda x, lambd=0.5: np.where((x > lambd) | (x < -lambd) | np.isnan(x), x, 0.0),
            rtol=EXACT,
            away=(-0.5, 0.5, 1.2, -1.2),
            variants=({}, {"lambd": 1.2}),
            **{**plain, "forms": THREE},
        ),
        unary(
            "softshrink",
            lambda x, lambd=0.5: np.where(np.isnan(x), x, np.sign(x) * np.maximum(np.abs(x) - lambd, 0)),
            away=(-0.5, 0.5, 1.2, -1.2),
            variants=({}, {"lambd": 1.2}),
            special=False,
            **plain,
        ),
        unary(
            "tanhshrink",
            lambda x: x - np.tanh(x),
            atol={"float32": 3e-7, "float64": 3e-16},
            why="a difference of nearly equal numbers for small x",
            special=False,
            **plain,
        ),
        Row(
            name="threshold",
            reference=lambda x, threshold, value: np.where((x > threshold) | np.isnan(x), x, value),
            samples=_threshold_samples,
            dtypes=NUMBERS,
            forms=BOTH,
            elementwise=True,
            rtol=EXACT,
        ),
        unary(
            "logsigmoid",
            lambda x: -np.logaddexp(0.0, -np.asarray(x, np.float64)),
            low=-9,
            high=9,
            special=False,
            **plain,
        ),
        Row(
            name="prelu",
            reference=prelu,
            samples=_prelu_samples,
            forms=THREE,
            bad=(bad(RuntimeError, ones(2, 3), ones(2), words=("2", "3")),),
        ),
        Row(
            name="glu",
            reference=glu,
            samples=_glu_samples,
            forms=FUNCTIONAL,
            bad=(
                bad(RuntimeError, ones(3), words=("3",)),
                bad(IndexError, ones(2, 4), 2, words=("2",)),
            ),
        ),
    )


def _glu_samples(draw: Draw) -> Iterator[Sample]:
    for shape, dim in (((6,), -1), ((3, 4), 1), ((4, 3), 0), ((2, 6, 3), 1), ((0, 4), 1)):
        yield call(draw(*shape), dim)
    yield call(draw(3, 4))


def _softmax_rows() -> tuple[Row, ...]:
    errors = (
        bad(IndexError, ones(2, 3), 2, words=("2",)),
        bad(IndexError, ones(2, 3), -3, words=("-3",)),
        bad(TypeError, ones(2, 3), "last"),
    )
    return (
        Row(name="softmax", reference=softmax, samples=_softmax_samples, forms=THREE, bad=errors),
        Row(
            name="log_softmax",
            reference=log_softmax,
            samples=_softmax_samples,
            forms=THREE,
            scale="largest",
            why="values near zero follow a sum near one",
            bad=errors,
        ),
        Row(
            name="softmin",
            reference=lambda x, dim: softmax(-x, dim),
            samples=_softmax_samples,
            forms=FUNCTIONAL,
            bad=errors[:2],
        ),
    )


ROWS = table(*_activation_rows(), *_softmax_rows())
