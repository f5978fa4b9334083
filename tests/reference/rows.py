"""What a row of the reference is, and the few constructors that keep a row to one or two lines.

A row is everything the tests need to know about one operation: a NumPy function written from its formula,
inputs, result dtype, tolerance, public names and bad calls. Rows of a family live in the family's module;
the drivers live in tests/harness.py. Nothing here imports the library under test.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import promotion

Array = npt.NDArray[Any]

FLOATS: tuple[str, ...] = ("float32", "float64")
INTEGERS: tuple[str, ...] = ("uint8", "int32", "int64")
NUMBERS: tuple[str, ...] = INTEGERS + FLOATS
ALL: tuple[str, ...] = ("bool", *NUMBERS)
DISCRETE: tuple[str, ...] = ("bool", *INTEGERS)

DEFAULT_RTOL: dict[str, float] = {"float32": 2e-6, "float64": 1e-13}
TWO_ULP: dict[str, float] = {"float32": 2.4e-7, "float64": 1e-15}
EXACT: dict[str, float] = {"float32": 0.0, "float64": 0.0}


class Draw:
    """Seeded inputs of one dtype; calling it with a shape gives an array, never a NumPy scalar."""

    def __init__(self, dtype: str, seed: int | str = 0) -> None:
        self.dtype = dtype
        self.floating = promotion.is_floating(dtype)
        number = zlib.crc32(seed.encode()) if isinstance(seed, str) else seed
        self.rng = np.random.default_rng([number, len(dtype)])

    def __call__(
        self,
        *shape: int,
        low: float = -3.0,
        high: float = 3.0,
        away: Sequence[float] = (),
        margin: float = 0.04,
        dtype: str | None = None,
    ) -> Array:
        """Uniform in [low, high]; floats keep `margin` from the points in `away`, integers never hit them."""
        kind = dtype or self.dtype
        if kind == "bool":
            return np.asarray(self.rng.integers(0, 2, shape), dtype=bool)
        if not promotion.is_floating(kind):
            lower = max(0, round(low)) if kind == "uint8" else int(np.ceil(low))
            values = self.rng.integers(lower, max(lower, int(high)) + 1, shape)
            for point in away:
                values = np.where(values == point, values + 1, values)
            return np.asarray(values, dtype=kind)
        real = np.asarray(self.rng.uniform(low, high, shape))
        for point in away:
            distance = real - point
            pushed = point + np.where(distance < 0, -1.0, 1.0) * (margin + np.abs(distance))
            real = np.where(np.abs(distance) < margin, pushed, real)
        return np.asarray(real, dtype=kind)

    def distinct(self, *shape: int) -> Array:
        """Values that differ pairwise by at least 0.03 (integers 1), in random order: no ties, no kinks."""
        count = int(np.prod(shape, dtype=np.int64))
        order = self.rng.permutation(count)
        if self.dtype == "bool":
            return np.asarray(order % 2 == 1).reshape(shape)
        start = 0 if self.dtype == "uint8" else count // 2
        values = (order - start) * (0.0371 if self.floating else 1)
        return np.asarray(values, dtype=self.dtype).reshape(shape)

    def classes(self, *shape: int, count: int) -> Array:
        """int64 class indices in [0, count)."""
        return np.asarray(self.rng.integers(0, count, shape), dtype=np.int64)

    def mask(self, *shape: int) -> Array:
        """A bool array."""
        return np.asarray(self.rng.integers(0, 2, shape), dtype=bool)

    def signs(self, *shape: int) -> Array:
        """Values -1 or 1 in the drawn dtype."""
        return np.asarray(self.rng.integers(0, 2, shape) * 2 - 1, dtype=self.dtype)

    def probabilities(self, *shape: int, dim: int = -1) -> Array:
        """Positive values that sum to one over `dim`."""
        values = self.rng.uniform(0.2, 1.0, shape)
        return np.asarray(values / values.sum(axis=dim, keepdims=True), dtype=self.dtype)


@dataclass(frozen=True)
class Sample:
    """One call. Arrays (also inside lists and tuples) become tensors; everything else is passed as it is."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True  # whether derivatives may be checked at these inputs

    def __str__(self) -> str:
        parts = [describe(a) for a in self.args] + [f"{k}={describe(v)}" for k, v in self.kwargs.items()]
        return f"({', '.join(parts)})"


def describe(value: Any) -> str:
    """A short text for one argument: dtype and shape of an array, the value of anything else."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, list | tuple) and any(isinstance(v, np.ndarray) for v in value):
        return "[" + ", ".join(describe(v) for v in value) + "]"
    return repr(value)


def call(*args: Any, smooth: bool = True, **kwargs: Any) -> Sample:
    """A sample, written like the call itself."""
    whole = tuple(np.asarray(a) if isinstance(a, np.generic) else a for a in args)
    return Sample(whole, kwargs, smooth)


@dataclass(frozen=True)
class Bad:
    """A call that must raise `error`; the message holds the operation's name and every word of `words`."""

    error: type[Exception] | tuple[type[Exception], ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def bad(
    error: type[Exception] | tuple[type[Exception], ...], *args: Any, words: Sequence[str] = (), **kwargs: Any
) -> Bad:
    """A bad call, written like the call itself."""
    return Bad(error, args, kwargs, tuple(words))


def ones(*shape: int, dtype: str = "float32") -> Array:
    """An array of ones: the tensor of a bad call, where only shape and dtype matter."""
    return np.ones(shape, dtype=dtype)


Result = str | tuple[str, ...] | Callable[[Sample], str]
Samples = Callable[[Draw], Iterator[Sample]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operation. See the fields; `result` is one of

    "same": dtype of the first tensor; "promote": PyTorch's promotion over all tensors and numbers; "float":
    promote, then integers and bool become float32; "sum": integers and bool become int64; a dtype name; a
    tuple of these for several outputs; or a function of the sample.
    """

    name: str
    reference: Callable[..., Any]
    samples: Samples
    dtypes: tuple[str, ...] = FLOATS
    result: Result = "same"
    # where the name is public: torch, Tensor, nn.functional, linalg
    forms: tuple[str, ...] = ("torch", "Tensor")
    in_place: bool = False  # whether Tensor.<name>_ exists
    rtol: dict[str, float] = field(default_factory=lambda: DEFAULT_RTOL)
    atol: dict[str, float] = field(default_factory=dict)
    why: str = ""  # why a tolerance is looser than the default
    # what an error is relative to: "element" its own expected value, "largest" the largest expected value,
    # "absolute" the reference evaluated at the absolute values of the inputs (sums with cancellation)
    scale: str = "element"
    elementwise: bool = False
    native: bool = False  # the reference computes in the input's own dtype instead of float64
    reshapes: bool = True  # False: works only where the memory allows the result as a view
    view: bool = False  # the result shares the first input's storage when that is contiguous
    gradient: bool = True  # differentiable in its floating positional tensors
    fixed: tuple[int, ...] = ()  # positions of floating tensors that receive no gradient
    second: bool = True  # twice differentiable
    ties: bool = True  # whether equal input values leave the result defined
    bad: tuple[Bad, ...] = ()
    like: str = ""  # name of the operation that the registry may list instead (an alias)

    @property
    def public(self) -> str:
        """The name to call: without the namespace before a dot, or the variant behind it."""
        first, _, last = self.name.partition(".")
        return last if last and self.forms == (first,) else first


SPECIAL = (
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.5,
    1e-30,
    -1e-30,
    88.0,
    -88.0,
    1e4,
    -1e4,
    1e30,
)


def special_values(dtype: str) -> Array:
    """NaN, infinities, both zeros, tiny and huge values, long enough for a vector body and a tail."""
    return np.array(SPECIAL, dtype=dtype)


def unary_samples(
    low: float = -3.0,
    high: float = 3.0,
    away: Sequence[float] = (),
    margin: float = 0.04,
    special: bool = True,
    variants: Sequence[dict[str, Any]] = ({},),
) -> Samples:
    """Inputs for f(x): 0-d, vector tails, matrix, 3-d, empty, special values; then each keyword variant."""

    def samples(draw: Draw) -> Iterator[Sample]:
        for shape in ((3, 5), (), (1,), (7,), (2, 3, 4), (0,), (2, 0, 3), (37, 11)):
            yield Sample((draw(*shape, low=low, high=high, away=away, margin=margin),), dict(variants[0]))
        if special and draw.floating:
            yield Sample((special_values(draw.dtype),), dict(variants[0]), smooth=False)
        for variant in variants[1:]:
            yield Sample((draw(4, 5, low=low, high=high, away=away, margin=margin),), dict(variant))

    return samples


def unary(name: str, reference: Callable[..., Any], **options: Any) -> Row:
    """An elementwise function of one tensor. Options of `unary_samples` and fields of `Row` may be given."""
    keys = ("low", "high", "away", "margin", "special", "variants")
    picked = {key: options.pop(key) for key in keys if key in options}
    settings: dict[str, Any] = {
        "dtypes": ALL,
        "result": "float",
        "in_place": True,
        "elementwise": True,
        "samples": unary_samples(**picked),
    }
    settings.update(options)
    return Row(name=name, reference=reference, **settings)


SHAPE_PAIRS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((), ()),
    ((5,), (5,)),
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((2, 1, 3), (4, 1)),
    ((3, 4), ()),
    ((), (2, 3)),
    ((0,), (1,)),
    ((2, 0, 3), (3,)),
    ((33, 9), (33, 9)),
)


def binary_samples(
    low: float = -3.0,
    high: float = 3.0,
    away: Sequence[float] = (),
    margin: float = 0.04,
    low2: float | None = None,
    high2: float | None = None,
    away2: Sequence[float] | None = None,
    scalar: float | int | None = 2,
    special: bool = True,
    variants: Sequence[dict[str, Any]] = (),
) -> Samples:
    """Inputs for f(x, y): every broadcasting situation, a Python number, special values, keyword variants."""
    second: dict[str, Any] = {
        "low": low if low2 is None else low2,
        "high": high if high2 is None else high2,
        "away": away if away2 is None else away2,
        "margin": margin,
    }
    first: dict[str, Any] = {"low": low, "high": high, "away": away, "margin": margin}

    def samples(draw: Draw) -> Iterator[Sample]:
        for a, b in SHAPE_PAIRS:
            yield call(draw(*a, **first), draw(*b, **second))
        if scalar is not None:
            yield call(draw(3, 4, **first), scalar)
        if special and draw.floating:
            values = special_values(draw.dtype)
            yield call(values[:, None].copy(), values, smooth=False)
        for variant in variants:
            yield Sample((draw(4, 3, **first), draw(3, **second)), dict(variant))

    return samples


def binary(name: str, reference: Callable[..., Any], **options: Any) -> Row:
    """An elementwise function of two tensors; takes options of `binary_samples` and fields of `Row`."""
    keys = ("low", "high", "away", "margin", "low2", "high2", "away2", "scalar", "special", "variants")
    picked = {key: options.pop(key) for key in keys if key in options}
    settings: dict[str, Any] = {
        "dtypes": NUMBERS,
        "result": "promote",
        "in_place": True,
        "elementwise": True,
        "samples": binary_samples(**picked),
        "bad": (
            bad(RuntimeError, ones(2, 3), ones(4), words=("(2, 3)", "(4)")),
            bad(RuntimeError, ones(2, 3), ones(3, 3), words=("(2, 3)", "(3, 3)")),
        ),
    }
    settings.update(options)
    return Row(name=name, reference=reference, **settings)


def table(*rows: Row) -> dict[str, Row]:
    """Rows by name; a name may stand once."""
    result: dict[str, Row] = {}
    for row in rows:
        if row.name in result:
            raise ValueError(f"two rows are named {row.name}")
        result[row.name] = row
    return result


def alias(name: str, row: Row, **changes: Any) -> Row:
    """The same operation under another name."""
    return replace(row, name=name, like=row.name, **changes)
