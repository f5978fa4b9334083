"""Densities in pure NumPy, from the formula: by distribution, (parameters, values, log density)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
lgamma = np.vectorize(math.lgamma)
LOC, SCALE = np.array([-1.0, 0.0, 2.5]), np.array([0.5, 1.0, 2.0])
A, B = np.array([0.7, 2.0, 5.5]), np.array([1.5, 0.8, 3.0])
PROBS = np.array([0.2, 0.5, 0.9])
REALS, POSITIVES = np.array([-0.3, 0.4, 3.1]), np.array([0.3, 1.7, 4.0])
INSIDE, COUNTS = np.array([0.1, 0.45, 0.8]), np.array([0.0, 2.0, 4.0])


def log_beta(a: Array, b: Array) -> Array:
    """Logarithm of the beta function."""
    return np.asarray(lgamma(a) + lgamma(b) - lgamma(a + b))


def choose(n: Array, k: Array) -> Array:
    """Logarithm of the binomial coefficient."""
    return np.asarray(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1))


def student(df: Array, loc: Array, scale: Array, x: Array) -> Array:
    """Student's t."""
    z = (x - loc) / scale
    constant = lgamma((df + 1) / 2) - lgamma(df / 2) - 0.5 * np.log(df * np.pi) - np.log(scale)
    return np.asarray(constant - (df + 1) / 2 * np.log1p(z * z / df))


def normal(loc: Array, scale: Array, x: Array) -> Array:
    """The normal density."""
    return np.asarray(-0.5 * ((x - loc) / scale) ** 2 - np.log(scale) - 0.5 * math.log(2 * math.pi))


CASES: dict[str, tuple[tuple[Array, ...], Array, Callable[..., Any]]] = {
    "Normal": ((LOC, SCALE), REALS, normal),
    "LogNormal": ((LOC, SCALE), POSITIVES, lambda m, s, x: normal(m, s, np.log(x)) - np.log(x)),
    "HalfNormal": ((SCALE,), POSITIVES, lambda s, x: normal(np.zeros(3), s, x) + math.log(2)),
    "Laplace": ((LOC, SCALE), REALS, lambda m, s, x: -np.abs(x - m) / s - np.log(2 * s)),
    "Cauchy": ((LOC, SCALE), REALS, lambda m, s, x: -np.log(np.pi * s * (1 + ((x - m) / s) ** 2))),
    "HalfCauchy": ((SCALE,), POSITIVES, lambda s, x: np.log(2 / (np.pi * s * (1 + (x / s) ** 2)))),
    "StudentT": ((A + 1, LOC, SCALE), REALS, student),
    "Gumbel": ((LOC, SCALE), REALS, lambda m, s, x: -(x - m) / s - np.exp(-(x - m) / s) - np.log(s)),
    "Uniform": ((LOC - 4, LOC + 4), REALS, lambda a, b, x: -np.log(b - a)),
    "Exponential": ((SCALE,), POSITIVES, lambda r, x: np.log(r) - r * x),
    "Gamma": ((A, B), POSITIVES, lambda a, b, x: a * np.log(b) + (a - 1) * np.log(x) - b * x - lgamma(a)),
    "Chi2": (
        (A,),
        POSITIVES,
        lambda k, x: (k / 2 - 1) * np.log(x) - x / 2 - k / 2 * math.log(2) - lgamma(k / 2),
    ),
    "InverseGamma": (
        (A, B),
        POSITIVES,
        lambda a, b, x: a * np.log(b) - (a + 1) * np.log(x) - b / x - lgamma(a),
    ),
    "Beta": ((A, B), INSIDE, lambda a, b, x: (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - log_beta(a, b)),
    "Kumaraswamy": (
        (A, B),
        INSIDE,
        lambda a, b, x: np.log(a * b) + (a - 1) * np.log(x) + (b - 1) * np.log1p(-(x**a)),
    ),
    "Weibull": (
        (SCALE, A),
        POSITIVES,
        lambda s, k, x: np.log(k / s) + (k - 1) * np.log(x / s) - (x / s) ** k,
    ),
    "Pareto": ((SCALE, A), POSITIVES + 2, lambda s, a, x: np.log(a) + a * np.log(s) - (a + 1) * np.log(x)),
    "GeneralizedPareto": (
        (LOC, SCALE, np.array([-0.2, 0.0, 0.4])),
        POSITIVES,
        lambda m, s, k, x: (
            -np.log(s)
            - np.where(k == 0, (x - m) / s, (1 + 1 / np.where(k == 0, 1, k)) * np.log1p(k * (x - m) / s))
        ),
    ),
    "FisherSnedecor": (
        (A, B),
        POSITIVES,
        lambda a, b, x: (
            0.5 * (a * np.log(a * x) + b * np.log(b) - (a + b) * np.log(a * x + b))
            - np.log(x)
            - log_beta(a / 2, b / 2)
        ),
    ),
    "VonMises": ((LOC, SCALE), REALS, lambda m, k, x: k * np.cos(x - m) - np.log(2 * np.pi * np.i0(k))),
    "Bernoulli": ((PROBS,), np.array([0.0, 1.0, 1.0]), lambda p, x: np.log(np.where(x == 1, p, 1 - p))),
    "Geometric": ((PROBS,), COUNTS, lambda p, x: x * np.log1p(-p) + np.log(p)),
    "Poisson": ((SCALE,), COUNTS, lambda r, x: x * np.log(r) - r - lgamma(x + 1)),
    "Binomial": (
        (np.full(3, 5.0), PROBS),
        COUNTS,
        lambda n, p, x: choose(n, x) + x * np.log(p) + (n - x) * np.log1p(-p),
    ),
    "NegativeBinomial": (
        (np.full(3, 5.0), PROBS),
        COUNTS,
        lambda n, p, x: choose(n + x - 1, x) + x * np.log(p) + n * np.log1p(-p),
    ),
}
