"""How far float32 functions are from the truth, in units in the last place of the result.

The truth is torch's float64 function, itself good to a few 1e-16, that is 1e-8 of a float32 unit; gelu, which
loses digits in float64 too, is taken from the complementary error function. Every 1021st float is tried: four
million arguments of both signs, from the smallest subnormal to the largest. Results below the normal floats
are left out, because libraries may flush them to zero.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import harness

FUNCTIONS = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "asin",
    "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid", "erf", "erfc", "lgamma",
    "digamma",
)  # fmt: skip
MODULE_FUNCTIONS = ("gelu", "silu", "softplus", "logsigmoid", "mish", "elu")


def worst(result: np.ndarray, truth: np.ndarray, x: np.ndarray) -> tuple[float, float, int]:
    """Largest error in units, where it is, and how often exactly one side is NaN or infinite."""
    rounded = truth.astype(np.float32)
    strange = ~np.isfinite(rounded) | ~np.isfinite(result)
    left_out = strange | (np.abs(truth) < np.finfo(np.float32).tiny)
    same = (rounded == result) | (np.isnan(rounded) & np.isnan(result))
    unit = np.spacing(np.abs(rounded)).astype(np.float64)
    error = np.where(left_out, 0.0, np.abs(result - truth) / np.where(left_out, 1.0, unit))
    at = int(error.argmax())
    return float(error[at]), float(x[at]), int(np.sum(strange & ~same))


def gelu(torch: Any, x: np.ndarray) -> np.ndarray:
    """Without the cancellation of 1 + erf."""
    result: np.ndarray = x * 0.5 * torch.special.erfc(torch.from_numpy(-x / 2.0**0.5)).numpy()
    return result


def fill(suite: harness.Suite) -> None:
    ours, torch = harness.libraries(suite.options.threads)
    step = 1021 * (1024 if suite.options.quick else 1)
    x = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.ascontiguousarray(x[np.isfinite(x)])

    def evaluate(lib: Any, home: Any, name: str, array: np.ndarray) -> np.ndarray:
        result: np.ndarray = getattr(home, name)(lib.from_numpy(array)).numpy()
        return result

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name in FUNCTIONS + MODULE_FUNCTIONS:
            homes = [lib if name in FUNCTIONS else lib.nn.functional for lib in (ours, torch)]
            exact = x.astype(np.float64)
            truth = gelu(torch, exact) if name == "gelu" else evaluate(torch, homes[1], name, exact)
            error, place, wrong = worst(evaluate(ours, homes[0], name, x), truth, x)
            theirs, _, _ = worst(evaluate(torch, homes[1], name, x), truth, x)
            note = f"worst at {place:.6g}" + (f"; {wrong} times not finite on one side only" if wrong else "")
            suite.value(name, error, "ULP", peer=theirs, note=note)


if __name__ == "__main__":
    harness.main("accuracy", fill)
