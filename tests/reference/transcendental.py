"""Rows: exponentials, logarithms, trigonometric and hyperbolic functions, roots, the error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .rows import TWO_ULP, Array, Row, table, unary

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


def logit(x: Array, eps: float | None = None) -> Array:
    """log(x / (1 - x)), with x kept in [eps, 1 - eps] where eps is given."""
    x = np.asarray(x, dtype=np.float64)
    if eps is not None:
        x = np.clip(x, eps, 1 - eps)
    return np.asarray(np.log(x) - np.log1p(-x))


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
