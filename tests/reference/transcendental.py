"""Rows: exponentials, logarithms, trigonometric and hyperbolic functions, roots, the error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .rows import FLOATS, TWO_ULP, Array, Row, binary, table, unary

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def erf(x: Array) -> Array:
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return np.asarray(_erf(x)) if np.size(x) else np.asarray(x, dtype=np.float64)


def erfc(x: Array) -> Array:
    """1 - erf(x) without cancellation."""
    return np.asarray(_erfc(x)) if np.size(x) else np.asarray(x, dtype=np.float64)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), from the side that does not overflow."""
    x = np.asarray(x, dtype=np.float64)
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0 / (1.0 + small), small / (1.0 + small)))


def erfinv(x: Array) -> Array:
    """The inverse of erf by Halley's method from Giles' logarithmic starting point."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        w = np.log1p(-x * x)
        a = 2 / (np.pi * 0.147) + w / 2
        y = np.sign(x) * np.sqrt(np.sqrt(a * a - w / 0.147) - a)
        for _ in range(4):
            step = (erf(y) - x) / (2 / np.sqrt(np.pi) * np.exp(-y * y))
            y = y - step / (1 + y * step)
    return np.asarray(np.where(np.abs(x) == 1, x * np.inf, np.where(np.abs(x) > 1, np.nan, y)))


_lgamma = np.vectorize(
    lambda v: np.inf if v <= 0 and v == np.floor(v) else math.lgamma(v), otypes=[np.float64]
)


def lgamma(x: Array) -> Array:
    """ln |Gamma(x)|."""
    return np.asarray(_lgamma(x)) if np.size(x) else np.asarray(x, dtype=np.float64)


def digamma(x: Array) -> Array:
    """d/dx ln Gamma(x) for x > 0: recurrence up to 10, then the asymptotic series."""
    x = np.array(x, dtype=np.float64)
    result = np.zeros_like(x)
    for _ in range(10):
        result = result - np.where(x < 10, 1 / np.where(x == 0, np.nan, x), 0.0)
        x = np.where(x < 10, x + 1, x)
    u = 1 / (x * x)
    series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * 691 / 32760)))))
    return np.asarray(result + np.log(x) - 0.5 / x - series)


def logit(x: Array, eps: float | None = None) -> Array:
    """log(x / (1 - x)), with x kept in [eps, 1 - eps] where eps is given."""
    x = np.asarray(x, dtype=np.float64)
    if eps is not None:
        x = np.clip(x, eps, 1 - eps)
    return np.asarray(np.log(x) - np.log1p(-x))


def igamma(a: Array, x: Array) -> Array:
    """x^a exp(-x) times the sum of x^k / Gamma(a + k + 1), for a > 0 and x > 0."""
    a, x = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(x, dtype=np.float64))
    total = np.zeros(a.shape)
    for k in range(80):
        total = total + np.exp((a + k) * np.log(x) - x - lgamma(a + k + 1))
    return total


def igammac(a: Array, x: Array) -> Array:
    """1 - igamma, for a > 0 and x > 0 that leave something."""
    return 1 - igamma(a, x)


def _rows() -> tuple[Row, ...]:
    positive: dict[str, Any] = {"low": 0.1, "high": 9.0}
    unit: dict[str, Any] = {"low": -0.9, "high": 0.9}
    near_one = {"scale": "largest", "why": "the result passes through zero inside the interval"}
    return (
        unary("exp", np.exp, rtol=TWO_ULP, low=-20, high=20),
        unary("exp2", np.exp2, low=-20, high=20),
        unary("expm1", np.expm1),
        unary("log", np.log, rtol=TWO_ULP, **positive),
        unary("log2", np.log2, **positive),
        unary("log10", np.log10, **positive),
        unary("log1p", np.log1p, low=-0.9, high=9.0),
        unary("sqrt", np.sqrt, rtol={"float32": 1.2e-7, "float64": 2.3e-16}, **positive),
        unary("rsqrt", lambda x: 1.0 / np.sqrt(x), **positive),
        unary("sin", np.sin, low=-100, high=100, special=False),
        unary("cos", np.cos, low=-100, high=100, special=False),
        unary("tan", np.tan, low=-1.5, high=1.5, special=False),
        unary("asin", np.arcsin, **unit),
        unary("acos", np.arccos, **unit),
        unary("atan", np.arctan),
        unary("sinh", np.sinh),
        unary("cosh", np.cosh),
        unary("tanh", np.tanh, rtol=TWO_ULP),
        unary("asinh", np.arcsinh),
        unary("acosh", np.arccosh, low=1.1, high=9.0),
        unary("atanh", np.arctanh, **unit),
        unary("erf", erf),
        unary(
            "erfc",
            erfc,
            rtol={"float32": 4e-6, "float64": 1e-13},
            why="the tail multiplies the input's rounding",
        ),
        unary(
            "erfinv", erfinv, low=-0.95, high=0.95, special=False, rtol={"float32": 4e-6, "float64": 1e-13}
        ),
        unary("lgamma", lgamma, low=0.3, high=9.0, special=False, **near_one),
        unary("digamma", digamma, dtypes=FLOATS, low=0.3, high=9.0, special=False, **near_one),
        *(
            binary(
                name,
                function,
                dtypes=FLOATS,
                low=0.5,
                high=4.0,
                fixed=(0,),
                scalar=None,
                special=False,
                rtol={"float32": 2e-6, "float64": 1e-12},
                why="the reference subtracts from 1",
            )
            for name, function in (("igamma", igamma), ("igammac", igammac))
        ),
        unary("sigmoid", sigmoid, low=-20, high=20),
        unary(
            "logit",
            logit,
            low=0.05,
            high=0.95,
            variants=({}, {"eps": 0.2}, {"eps": 1e-3}),
            away=(0.2, 0.8),
            **near_one,
        ),
    )


ROWS = table(*_rows())
