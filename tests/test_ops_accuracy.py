"""How many units in the last place the float32 functions may err, over their whole domain.

The bounds are promises: a kernel that needs more must say so here. Arguments are drawn over bit patterns,
so that every binade is met as often as any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unspool as us
from reference import activations, transcendental

Array = npt.NDArray[Any]

COUNT = 200_000

# name: (function in float64, lowest and highest argument, bound in units in the last place)
BOUNDS: dict[str, tuple[Callable[[Array], Array], float, float, float]] = {
    "exp": (np.exp, -87.0, 88.7, 2.0),
    "exp2": (np.exp2, -126.0, 127.9, 2.0),
    "expm1": (np.expm1, -20.0, 88.0, 3.0),
    "log": (np.log, 1e-38, 3e38, 2.0),
    "log2": (np.log2, 1e-38, 3e38, 3.0),
    "log10": (np.log10, 1e-38, 3e38, 3.0),
    "log1p": (np.log1p, -0.999, 1e30, 3.0),
    "tanh": (np.tanh, -12.0, 12.0, 2.0),
    "sigmoid": (transcendental.sigmoid, -80.0, 80.0, 4.0),
    "sin": (np.sin, -1000.0, 1000.0, 3.0),
    "cos": (np.cos, -1000.0, 1000.0, 3.0),
    "tan": (np.tan, -1000.0, 1000.0, 5.0),
    "asin": (np.arcsin, -1.0, 1.0, 4.0),
    "acos": (np.arccos, -1.0, 1.0, 4.0),
    "atan": (np.arctan, -1e10, 1e10, 4.0),
    "sinh": (np.sinh, -80.0, 80.0, 4.0),
    "cosh": (np.cosh, -80.0, 80.0, 4.0),
    "asinh": (np.arcsinh, -1e18, 1e18, 4.0),
    "acosh": (np.arccosh, 1.0, 1e18, 4.0),
    "atanh": (np.arctanh, -0.9999, 0.9999, 4.0),
    "erf": (transcendental.erf, -4.0, 4.0, 4.0),
    "lgamma": (np.vectorize(math.lgamma), 1e-37, 1e36, 0.501),
    "sqrt": (np.sqrt, 0.0, 3e38, 0.501),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1e-38, 3e38, 2.0),
    "reciprocal": (lambda x: 1 / x, 1e-37, 1e37, 0.501),
    "silu": (lambda x: x * transcendental.sigmoid(x), -80.0, 80.0, 5.0),
    "softplus": (activations.softplus, -80.0, 80.0, 5.0),
}


def arguments(low: float, high: float) -> Array:
    """float32 numbers in [low, high], uniform over bit patterns, and the ends."""
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 1 << 32, COUNT * 3, dtype=np.uint64).astype(np.uint32)
    values = bits.view(np.float32)
    with np.errstate(all="ignore"):
        values = values[(values >= low) & (values <= high) & (np.abs(values) > 1e-37)]
    even = rng.uniform(max(low, -1e4), min(high, 1e4), COUNT).astype(np.float32)
    ends = np.array([low, high], dtype=np.float32)
    return np.concatenate(
        [values, even[(even >= low) & (even <= high)], ends[(ends >= low) & (ends <= high)]]
    )


def error_in_ulp(result: Array, exact: Array) -> Array:
    """|result - exact| in units of the float32 spacing at exact (at least a normal number's)."""
    with np.errstate(all="ignore"):
        spacing = np.spacing(np.maximum(np.abs(exact), float(np.finfo(np.float32).tiny)).astype(np.float32))
        return np.asarray(np.abs(result.astype(np.float64) - exact) / spacing.astype(np.float64))


@pytest.mark.parametrize("name", BOUNDS)
def test_float32_functions_stay_within_their_bound(name: str) -> None:
    function, low, high, bound = BOUNDS[name]
    x = arguments(low, high)
    where = us if hasattr(us, name) else us.nn.functional
    result = getattr(where, name)(us.from_numpy(x)).numpy()
    with np.errstate(all="ignore"):
        exact = np.asarray(function(x.astype(np.float64)))
    finite = np.isfinite(exact) & (np.abs(exact) < 3.4e38)
    errors = error_in_ulp(result[finite], exact[finite])
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    assert errors[worst] <= bound, f"{name}({x[finite][worst]!r}) is off by {errors[worst]:.2f} ulp"


def test_lgamma_of_negative_numbers_stays_exact_next_to_its_roots() -> None:
    rng = np.random.default_rng(8)
    x = rng.uniform(-30, 0, COUNT // 4).astype(np.float32)
    x = np.concatenate([x, np.linspace(-2.46, -2.45, 2001, dtype=np.float32), -(2.0 ** -np.arange(1, 126))])
    x = x[x != np.round(x)].astype(np.float32)
    exact = np.array([math.lgamma(each) for each in x.tolist()])
    assert error_in_ulp(us.lgamma(us.from_numpy(x)).numpy(), exact).max() <= 0.501
    infinite = us.tensor([0.0, -0.0, -1.0, -7.0, -1e9, float("inf"), float("-inf")])
    assert us.lgamma(infinite).isinf().all()
    assert us.lgamma(us.tensor(float("nan"))).isnan()


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "cos", "erf", "log1p", "expm1"])
def test_float64_functions_agree_with_the_c_library(name: str) -> None:
    function, low, high, _ = BOUNDS[name]
    x = arguments(low, high)[:20000].astype(np.float64) * 1.0000001
    x = x[(x >= low) & (x <= high)]
    result = getattr(us, name)(us.from_numpy(x)).numpy()
    exact = np.asarray(function(x))
    error = np.abs(result - exact) / np.spacing(np.maximum(np.abs(exact), 1e-300))
    assert error.max() <= 4.0, f"{name}({x[int(error.argmax())]!r}) is off by {error.max():.1f} ulp"


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("exp", float("inf"), float("inf")),
        ("exp", float("-inf"), 0.0),
        ("exp", 89.0, float("inf")),
        ("exp", -104.0, 0.0),
        ("exp", 0.0, 1.0),
        ("log", 0.0, float("-inf")),
        ("log", -1.0, float("nan")),
        ("log", float("inf"), float("inf")),
        ("log", 1.0, 0.0),
        ("tanh", float("inf"), 1.0),
        ("tanh", -30.0, -1.0),
        ("sigmoid", float("-inf"), 0.0),
        ("sigmoid", 0.0, 0.5),
        ("sqrt", -1.0, float("nan")),
        ("sqrt", 0.0, 0.0),
        ("rsqrt", 0.0, float("inf")),
        ("sin", float("inf"), float("nan")),
        ("cos", 0.0, 1.0),
        ("asin", 1.5, float("nan")),
        ("atanh", 1.0, float("inf")),
        ("log1p", -1.0, float("-inf")),
        ("expm1", 0.0, 0.0),
        ("erf", float("inf"), 1.0),
    ],
)
@pytest.mark.parametrize("count", [1, 8, 21])
def test_special_arguments(name: str, argument: float, expected: float, count: int) -> None:
    for dtype in (us.float32, us.float64):
        if argument in (89.0, -104.0) and dtype == us.float64:
            continue
        result = getattr(us, name)(us.full((count,), argument, dtype=dtype)).numpy()
        np.testing.assert_array_equal(result, np.full(count, expected))


def test_nan_goes_through_every_function() -> None:
    nan = us.full((9,), float("nan"))
    for name in BOUNDS:
        where = us if hasattr(us, name) else us.nn.functional
        assert np.isnan(getattr(where, name)(nan).numpy()).all(), name
    assert np.isnan(us.relu(nan).numpy()).all()
    assert np.isnan(us.maximum(nan, us.ones(9)).numpy()).all()
    assert np.isnan(us.clamp(nan, 0, 1).numpy()).all()
    for reduce in (us.sum, us.mean, us.max, us.min, us.amax, us.prod):
        assert np.isnan(reduce(nan).item())
