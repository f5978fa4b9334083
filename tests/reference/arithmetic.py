"""Rows: arithmetic, rounding, comparison, logic and selection, element by element.

References compute in float64 (or in the integer type itself) and are written from the formula in the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import promotion
from .rows import (
    ALL,
    DISCRETE,
    EXACT,
    FLOATS,
    NUMBERS,
    Array,
    Draw,
    Row,
    Sample,
    bad,
    binary,
    binary_samples,
    call,
    ones,
    special_values,
    table,
    unary,
)

HALVES = tuple(n / 2 for n in range(-20, 21))
WHOLE = tuple(float(n) for n in range(-10, 11))


def add(x: Array, y: Array, alpha: float = 1) -> Array:
    """x + alpha y, wrapping for integers."""
    return np.asarray(x + np.asarray(alpha).astype(np.asarray(y).dtype) * y)


def subtract(x: Array, y: Array, alpha: float = 1) -> Array:
    """x - alpha y, wrapping for integers."""
    return np.asarray(x - np.asarray(alpha).astype(np.asarray(y).dtype) * y)


def divide(x: Array, y: Array, rounding_mode: str | None = None) -> Array:
    """x / y; rounded toward zero ("trunc") or down ("floor")."""
    if rounding_mode is None:
        return np.asarray(np.true_divide(x, y))
    if rounding_mode == "floor":
        return np.asarray(np.floor_divide(x, y))
    if np.issubdtype(np.asarray(x).dtype, np.integer):
        quotient = np.abs(np.asarray(x)) // np.abs(np.asarray(y))
        return np.asarray(np.where((x < 0) != (y < 0), -quotient, quotient))
    return np.asarray(np.trunc(np.true_divide(x, y)))


def divide_result(sample: Sample) -> str:
    """True division gives a floating result; division with rounding keeps the promoted dtype."""
    dtype = promotion.result_type(sample.args)
    if sample.kwargs.get("rounding_mode") is None and not promotion.is_floating(dtype):
        return promotion.DEFAULT_FLOAT
    return dtype


def divide_samples(draw: Draw) -> Iterator[Sample]:
    """Quotients that stay away from whole numbers where rounding is asked for."""
    yield from binary_samples(away2=(0.0,), margin=0.3, scalar=3, special=True)(draw)
    x = draw(4, 3, low=5.2, high=5.8) if draw.floating else draw(4, 3, low=-9, high=9)
    y = draw(3, low=1.1, high=1.2) if draw.floating else draw(3, low=-4, high=4, away=(0,))
    for mode in (None, "trunc", "floor"):
        yield call(x, y, rounding_mode=mode)
        if draw.dtype != "uint8":
            yield call(-x, y, rounding_mode=mode)
        yield call(x, 1.5, rounding_mode=mode)


def quotient_samples(draw: Draw) -> Iterator[Sample]:
    """Numerators and denominators for the remainders: all sign pairs, no whole quotients."""
    for shape, other in (
        ((), ()),
        ((5,), (5,)),
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((0,), (1,)),
        ((33, 9), (33, 9)),
    ):
        if draw.floating:
            yield call(draw(*shape, low=5.9, high=6.1), draw(*other, low=1.12, high=1.16))
            yield call(-draw(*shape, low=5.9, high=6.1), draw(*other, low=2.1, high=2.3))
            yield call(draw(*shape, low=5.9, high=6.1), -draw(*other, low=1.12, high=1.16))
        else:
            yield call(draw(*shape, low=-90, high=90), draw(*other, low=-7, high=7, away=(0,)))
    x = draw(3, 4, low=5.9, high=6.1)
    yield call(x, -3.5 if draw.floating else 3)
    yield call(x, 2.5)


def power_samples(draw: Draw) -> Iterator[Sample]:
    """Positive bases with any exponent, any base with small whole exponents, numbers on either side."""
    if draw.floating:
        yield from binary_samples(low=0.2, high=3.0, low2=-3.0, high2=3.0, scalar=2.5, special=False)(draw)
        x = draw(3, 5, away=(0.0,), margin=0.1)
        for exponent in (0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.0, 3.0):
            yield call(np.abs(x) if exponent % 1 else x, exponent)
        yield call(2, draw(3, 4))
        values = special_values(draw.dtype)
        yield call(values[:, None].copy(), np.array([0, 1, 2, -1, 0.5, 3], draw.dtype), smooth=False)
    else:
        yield from binary_samples(low=-3, high=3, low2=0, high2=3, scalar=2)(draw)
        yield call(draw(3, 4, low=0, high=3), 2.5)


def arithmetic_rows() -> tuple[Row, ...]:
    """Sums, products, quotients, powers."""
    no_bool = bad(RuntimeError, ones(2, dtype="bool"), ones(2, dtype="bool"))
    shapes = (
        bad(RuntimeError, ones(2, 3), ones(4), words=("(2, 3)", "(4)")),
        bad(RuntimeError, ones(5, 1, 2), ones(3, 3), words=("(5, 1, 2)", "(3, 3)")),
    )
    return (
        binary("add", add, dtypes=ALL, variants=({"alpha": 2},), bad=shapes),
        binary("sub", subtract, variants=({"alpha": 2},), bad=(*shapes, no_bool)),
        binary("mul", lambda x, y: x * y, dtypes=ALL),
        binary(
            "div",
            divide,
            result=divide_result,
            samples=divide_samples,
            bad=(
                *shapes,
                bad(RuntimeError, ones(2), ones(2), rounding_mode="up", words=("rounding_mode", "up")),
            ),
        ),
        binary("true_divide", np.true_divide, result="float", away2=(0.0,), margin=0.3, scalar=3),
        binary(
            "floor_divide", np.floor_divide, samples=quotient_samples, gradient=False, native=True, rtol=EXACT
        ),
        binary(
            "remainder",
            np.remainder,
            samples=quotient_samples,
            native=True,
            rtol={"float32": 2.4e-7, "float64": 4.5e-16},
        ),
        binary("fmod", np.fmod, samples=quotient_samples, native=True, rtol=EXACT),
        binary(
            "pow",
            np.power,
            samples=power_samples,
            bad=(
                *shapes,
                bad(RuntimeError, ones(2, dtype="int64"), -1, words=("negative",)),
            ),
        ),
        unary("neg", np.negative, dtypes=NUMBERS, result="same", rtol=EXACT),
        unary("positive", lambda x: x, dtypes=NUMBERS, result="same", rtol=EXACT, in_place=False),
        binary(
            "rsub", lambda x, y, alpha=1: subtract(y, x, alpha), in_place=False, forms=("torch",), bad=shapes
        ),
        unary("abs", np.abs, dtypes=NUMBERS, result="same", away=(0.0,), rtol=EXACT),
        unary("sign", np.sign, dtypes=NUMBERS, result="same", away=(0.0,), special=False, rtol=EXACT),
        unary(
            "square",
            lambda x: np.square(x.astype(np.int64) if x.dtype == bool else x),
            result=lambda sample: "int64" if sample.args[0].dtype == bool else str(sample.args[0].dtype),
        ),
        unary("reciprocal", lambda x: 1.0 / x, away=(0.0,), margin=0.3),
        unary(
            "frac",
            lambda x: x - np.trunc(x),
            dtypes=FLOATS,
            away=WHOLE,
            native=True,
            rtol=EXACT,
            special=False,
        ),
        binary("atan2", np.arctan2, result="float", away=(0.0,), margin=0.3, scalar=None),
        binary("hypot", np.hypot, dtypes=FLOATS, away=(0.0,), margin=0.3, scalar=None),
        binary("copysign", np.copysign, result="float", away=(0.0,), rtol=EXACT),
    )


def rounding_rows() -> tuple[Row, ...]:
    """Rounding to whole numbers: exact in every dtype, derivative zero."""

    def rounded(x: Array, decimals: int = 0) -> Array:
        """Half to even at the given decimal, computed in the input's own dtype as PyTorch does."""
        x = np.asarray(x)
        if decimals == 0:
            return np.asarray(np.rint(x) if np.issubdtype(x.dtype, np.floating) else x)
        factor = np.asarray(10.0 ** abs(decimals), dtype=x.dtype)
        return np.asarray(np.rint(x * factor) / factor if decimals > 0 else np.rint(x / factor) * factor)

    options: dict[str, Any] = {
        "dtypes": NUMBERS,
        "result": "same",
        "low": -9,
        "high": 9,
        "rtol": EXACT,
        "native": True,
    }
    return (
        unary("floor", np.floor, away=WHOLE, **options),
        unary("ceil", np.ceil, away=WHOLE, **options),
        unary("trunc", np.trunc, away=WHOLE, **options),
        unary("round", rounded, away=HALVES, **options),
        unary(
            "round.decimals",
            rounded,
            away=HALVES,
            **{**options, "dtypes": FLOATS},
            like="round",
            special=False,
            gradient=False,
            variants=({"decimals": 1}, {"decimals": 2}, {"decimals": -1}),
        ),
    )


def comparison_rows() -> tuple[Row, ...]:
    """Comparisons and logic: the result is bool, without derivative."""
    options: dict[str, Any] = {"dtypes": ALL, "result": "bool", "gradient": False, "low": -2, "high": 2}

    def close(x: Array, y: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
        """|x - y| <= atol + rtol |y|."""
        return np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)

    def close_samples(draw: Draw) -> Iterator[Sample]:
        """Pairs far inside and far outside the tolerances."""
        x = draw(3, 4)
        yield call(x, x.copy())
        yield call(x, draw(4))
        yield call(draw(), draw(2, 3))
        if draw.floating:
            yield call(x, (x * (1 + 1e-3)).astype(draw.dtype), rtol=1e-2)
            yield call(x, (x + 0.01).astype(draw.dtype), atol=0.1)
            values = special_values(draw.dtype)
            yield call(values[:, None].copy(), values)
            yield call(values[:, None].copy(), values, equal_nan=True)

    names = {
        "eq": np.equal,
        "ne": np.not_equal,
        "lt": np.less,
        "le": np.less_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
    }
    logic = {"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor}
    bits = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}
    bit_options: dict[str, Any] = {"dtypes": DISCRETE, "gradient": False, "result": "promote"}
    no_floats = bad(RuntimeError, ones(2), ones(2), words=("float32",))
    return (
        *(binary(name, function, **options) for name, function in names.items()),
        *(binary(name, function, scalar=None, **options) for name, function in logic.items()),
        unary("logical_not", np.logical_not, **options),
        unary("signbit", np.signbit, native=True, **{**options, "in_place": False}),
        unary("isnan", np.isnan, **{**options, "in_place": False}),
        unary("isinf", np.isinf, **{**options, "in_place": False}),
        unary("isfinite", np.isfinite, **{**options, "in_place": False}),
        binary("isclose", close, samples=close_samples, **{**options, "in_place": False}),
        *(
            binary(name, function, bad=(no_floats,), scalar=None, **bit_options)
            for name, function in bits.items()
        ),
        unary(
            "bitwise_not",
            np.invert,
            dtypes=DISCRETE,
            result="same",
            gradient=False,
            bad=(bad(RuntimeError, ones(2), words=("float32",)),),
        ),
    )


def selection_rows() -> tuple[Row, ...]:
    """Choices between values: limits, masks, the larger and the smaller."""

    def clamp(x: Array, min: Any = None, max: Any = None) -> Array:
        """min(max(x, min), max): the upper limit wins; NaN stays."""
        result = np.asarray(x)
        if min is not None:
            result = np.maximum(result, min)
        if max is not None:
            result = np.minimum(result, max)
        return np.asarray(result)

    def clamp_samples(draw: Draw) -> Iterator[Sample]:
        """Limits as numbers and as tensors, one-sided, crossed."""
        limits = (1.0, 2.0, -1.0, 0.5)
        for shape in ((), (7,), (3, 5), (0,), (37, 11)):
            yield call(draw(*shape, away=limits), 1, 2)
        x = draw(3, 5, away=limits)
        yield call(x, min=1)
        yield call(x, max=2)
        yield call(x, min=2, max=1)
        low, high = draw(5, low=0, high=0), draw(3, 1, low=2, high=2)
        yield call(draw(3, 5, away=(0.0, 2.0)), low, high)
        yield call(draw(3, 5, away=(0.0,)), min=low)
        yield call(draw(3, 5, away=(2.0,)), max=high)
        if draw.floating:
            yield call(x, -1.0, 0.5)
            yield call(special_values(draw.dtype), -1.0, 0.5, smooth=False)

    def where_samples(draw: Draw) -> Iterator[Sample]:
        """Broadcasting among all three; numbers on either side."""
        yield call(draw.mask(3, 4), draw(3, 4), draw(3, 4))
        yield call(draw.mask(4), draw(3, 1), draw(3, 4))
        yield call(draw.mask(3, 1), draw(4), draw())
        yield call(draw.mask(), draw(2, 3), draw(3))
        yield call(draw.mask(0), draw(0), draw(1))
        yield call(draw.mask(33, 9), draw(33, 9), draw(33, 9))
        yield call(draw.mask(3, 4), draw(3, 4), 1)
        yield call(draw.mask(3, 4), 0, draw(3, 4))

    def fill_samples(draw: Draw) -> Iterator[Sample]:
        """Numbers, and tensors of the input's dtype and of another."""
        for shape in ((3, 4), (), (0, 2)):
            yield call(draw(*shape), 1)
            yield call(draw(*shape), draw())
        yield call(draw(3, 4), draw(dtype="int64"))

    def masked_fill_samples(draw: Draw) -> Iterator[Sample]:
        """Masks that broadcast to the input; value as number and 0-d tensor."""
        yield call(draw(3, 4), draw.mask(3, 4), 1)
        yield call(draw(3, 4), draw.mask(4), 0)
        yield call(draw(3, 4), draw.mask(3, 1), draw())
        yield call(draw(), draw.mask(), 1)
        yield call(draw(0, 3), draw.mask(3), 1)
        yield call(draw(33, 9), draw.mask(33, 9), 1)
        if draw.floating:
            yield call(draw(2, 3), draw.mask(2, 3), float("-inf"))

    def nan_to_num(
        x: Array, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Array:
        """Finite stand-ins for NaN and the infinities."""
        return np.asarray(np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf))

    def distinct_pairs(draw: Draw) -> Iterator[Sample]:
        """Two tensors without equal elements, in the shapes of `binary_samples`."""
        for a, b in (
            ((), ()),
            ((5,), (5,)),
            ((3, 4), (4,)),
            ((3, 1), (1, 4)),
            ((0,), (1,)),
            ((33, 9), (33, 9)),
        ):
            x = draw(*a)
            difference = draw(*b, away=(0.0,))
            whole = draw.distinct(x.size + difference.size)
            yield call(whole[: x.size].reshape(a), whole[x.size :].reshape(b))
        if draw.floating:
            values = special_values(draw.dtype)
            yield call(values[:, None].copy(), values, smooth=False)

    larger: dict[str, Any] = {
        "samples": distinct_pairs,
        "rtol": EXACT,
        "dtypes": ALL,
        "in_place": False,
        "native": True,
    }
    return (
        Row(
            name="clamp",
            reference=clamp,
            samples=clamp_samples,
            dtypes=NUMBERS,
            result=_clamp_result,
            in_place=True,
            elementwise=True,
            rtol=EXACT,
            fixed=(1, 2),
            bad=(
                bad(RuntimeError, ones(2), words=("min", "max")),
                bad(RuntimeError, ones(2, 3), ones(4), words=("(2, 3)", "(4)")),
                bad(TypeError, ones(2), "a"),
            ),
        ),
        Row(
            name="clip",
            reference=clamp,
            samples=clamp_samples,
            dtypes=NUMBERS,
            result=_clamp_result,
            in_place=True,
            elementwise=True,
            rtol=EXACT,
            fixed=(1, 2),
            like="clamp",
        ),
        binary("clamp_min", np.maximum, dtypes=ALL, rtol=EXACT, samples=_limit_samples),
        binary("clamp_max", np.minimum, dtypes=ALL, rtol=EXACT, samples=_limit_samples),
        Row(
            name="where",
            reference=np.where,
            samples=where_samples,
            dtypes=ALL,
            result=_where_result,
            forms=("torch",),
            elementwise=True,
            native=True,
            rtol=EXACT,
            bad=(
                bad(RuntimeError, ones(2, dtype="bool"), ones(3), ones(2), words=("(2)", "(3)")),
                bad(RuntimeError, ones(2), ones(2), ones(2), words=("bool",)),
            ),
        ),
        Row(
            name="fill",
            reference=lambda x, value: np.full_like(x, value),
            samples=fill_samples,
            dtypes=ALL,
            forms=("torch",),
            elementwise=True,
            native=True,
            rtol=EXACT,
            bad=(
                bad(RuntimeError, ones(2, 3), ones(3), words=("(3,)",)),
                bad(TypeError, ones(2), "one"),
            ),
        ),
        Row(
            name="masked_fill",
            reference=lambda x, mask, value: np.where(mask, np.asarray(value).astype(x.dtype), x),
            samples=masked_fill_samples,
            dtypes=ALL,
            in_place=True,
            elementwise=True,
            native=True,
            rtol=EXACT,
            bad=(
                bad(RuntimeError, ones(2, 3), ones(4, dtype="bool"), 1.0, words=("(2, 3)", "(4)")),
                bad(RuntimeError, ones(2, 3), ones(2, 3), 1.0, words=("bool",)),
                bad(TypeError, ones(2), ones(2, dtype="bool"), "one"),
            ),
        ),
        binary("maximum", np.maximum, **larger),
        binary("minimum", np.minimum, **larger),
        binary("fmax", np.fmax, **larger),
        binary("fmin", np.fmin, **larger),
        unary(
            "nan_to_num",
            nan_to_num,
            dtypes=FLOATS,
            result="same",
            native=True,
            rtol=EXACT,
            variants=({}, {"nan": 1.5}, {"nan": 0.0, "posinf": 2.0, "neginf": -2.0}),
        ),
    )


def _limit_samples(draw: Draw) -> Iterator[Sample]:
    """A limit as number and as tensor, never equal to the input."""
    yield call(draw(3, 5, away=(1.0,)), 1)
    yield call(draw(7, low=0, high=4, away=(1.0, 2.0)), draw(7, low=2, high=2))
    yield call(draw(3, 5, low=0, high=4, away=(2.0,)), draw(5, low=2, high=2))
    yield call(draw(0), 1)


def _clamp_result(sample: Sample) -> str:
    """Promotion over the input and its limits."""
    return promotion.result_type((*sample.args, *sample.kwargs.values()))


def _where_result(sample: Sample) -> str:
    """Promotion over the two values; the condition does not count."""
    return promotion.result_type(sample.args[1:])


def compound_rows() -> tuple[Row, ...]:
    """Several operations at once: one rounding path, one row."""

    def lerp_samples(draw: Draw) -> Iterator[Sample]:
        """Weights as tensor and as number."""
        for a, b, w in (((), (), ()), ((5,), (5,), (5,)), ((3, 4), (4,), (3, 1)), ((0,), (0,), (0,))):
            yield call(draw(*a), draw(*b), draw(*w, low=0.0, high=1.0))
        yield call(draw(33, 9), draw(33, 9), draw(33, 9, low=-1.0, high=2.0))
        for weight in (0.0, 0.3, 0.5, 0.9, 1.0, 2.0):
            yield call(draw(3, 4), draw(3, 4), weight)

    def triple_samples(draw: Draw) -> Iterator[Sample]:
        """x, t1, t2 that broadcast; t2 away from zero."""
        for a, b, c in (
            ((), (), ()),
            ((5,), (5,), (5,)),
            ((3, 4), (4,), (3, 1)),
            ((4,), (3, 1), (1,)),
            ((0,), (0,), (0,)),
        ):
            yield call(draw(*a), draw(*b), draw(*c, low=1, high=3))
        yield call(draw(33, 9), draw(33, 9), draw(33, 9, low=1, high=3))
        yield call(draw(3, 4), draw(3, 4), draw(3, 4, low=1, high=3), value=2)
        if draw.floating:
            yield call(draw(3, 4), draw(3, 4), draw(3, 4, low=1, high=3), value=-0.5)

    def xlogy(x: Array, y: Array) -> Array:
        """x log y, and 0 where x is 0 (unless y is NaN)."""
        with np.errstate(all="ignore"):
            product = np.asarray(x * np.log(y))
        return np.asarray(np.where(np.isnan(y), np.nan, np.where(np.asarray(x) == 0, 0.0, product)))

    def xlogy_samples(draw: Draw) -> Iterator[Sample]:
        """Positive y; zeros of x in one sample without derivative check."""
        yield from binary_samples(away=(0.0,), low2=0.2, high2=3.0, scalar=2, special=True)(draw)
        yield call(draw.mask(4, 5).astype(draw.dtype), draw(5, low=0.2, high=3.0), smooth=False)

    mismatch = bad(RuntimeError, ones(2, 3), ones(4), ones(2, 3), words=("(2, 3)", "(4)"))
    cancel = {"float32": 4e-6, "float64": 1e-13}
    return (
        Row(
            name="lerp",
            reference=lambda x, y, w: x + w * (y - x),
            samples=lerp_samples,
            elementwise=True,
            in_place=True,
            result="promote",
            scale="largest",
            bad=(
                bad(RuntimeError, ones(2, 3), ones(4), 0.5, words=("(2, 3)", "(4)")),
                bad(TypeError, ones(2), ones(2), "half"),
            ),
        ),
        Row(
            name="addcmul",
            reference=lambda x, a, b, value=1: x + value * a * b,
            samples=triple_samples,
            dtypes=NUMBERS,
            result="promote",
            elementwise=True,
            in_place=True,
            scale="absolute",
            bad=(mismatch,),
        ),
        Row(
            name="addcdiv",
            reference=lambda x, a, b, value=1: x + value * a / b,
            samples=triple_samples,
            result="promote",
            elementwise=True,
            in_place=True,
            scale="absolute",
            bad=(mismatch, bad(RuntimeError, *[ones(2, dtype="int64")] * 3)),
        ),
        Row(
            name="xlogy",
            reference=xlogy,
            samples=xlogy_samples,
            dtypes=ALL,
            result="float",
            elementwise=True,
            in_place=True,
            rtol=cancel,
            why="the logarithm is near zero for y near one",
            scale="largest",
        ),
        binary(
            "logaddexp",
            np.logaddexp,
            dtypes=FLOATS,
            in_place=False,
            scalar=None,
            scale="largest",
            why="the result passes through zero",
        ),
    )


ROWS = table(*arithmetic_rows(), *rounding_rows(), *comparison_rows(), *selection_rows(), *compound_rows())
