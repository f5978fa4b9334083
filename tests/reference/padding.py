"""Rows: padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .nn import Case, normal
from .rows import ALL, EXACT, NUMBERS, Array, Draw, Row, Sample, bad, call, ones, table

Pads = tuple[int, ...]


def _pairs(x: Array, pads: Pads) -> list[tuple[int, int]]:
    """(before, after) by dimension, from the first on."""
    pairs = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)]
    return [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]


def constant_pad(x: Array, pads: Pads, value: float = 0.0) -> Array:
    """A border of value; negative pads cut."""
    if not pads:
        return x.copy()
    pairs = _pairs(x, pads)
    kept = tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    grown = [(max(0, a), max(0, b)) for a, b in pairs]
    return np.pad(x[kept], grown, constant_values=np.asarray(value).astype(x.dtype))


def bordered(x: Array, pads: Pads, mode: str) -> Array:
    """Continued by index arithmetic, one dimension after another; circular cuts first."""
    if mode == "circular":
        x = constant_pad(x, tuple(min(0, p) for p in pads))
        pads = tuple(max(0, p) for p in pads)
    for dim, (before, after) in enumerate(_pairs(x, pads)):
        n = x.shape[dim]
        i = np.arange(-before, n + after)
        if mode == "replicate":
            i = np.clip(i, 0, n - 1)
        elif mode == "circular":
            i = i % max(n, 1)
        else:
            i = np.where(i < 0, -i, np.where(i >= n, 2 * (n - 1) - i, i))
        x = np.take(x, i, axis=dim)
    return x


def pad(x: Array, pads: Pads, mode: str = "constant", value: float | None = None) -> Array:
    """nn.functional.pad."""
    return constant_pad(x, pads, value or 0.0) if mode == "constant" else bordered(x, pads, mode)


def _constant_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(3, 4), (1, 2))
    yield call(draw(3, 4), (1, 0, 0, 2), value=3)
    yield call(draw(5), (-1, 2))
    yield call(draw(5), (-2, -3), value=2)
    yield call(draw(2, 3, 4), (0, 0, 1, 1), value=1)
    yield call(draw(2, 3, 4), (0, 0, 0, 0, 2, -1))
    yield call(draw(2, 3, 4), (1, -1, -1, 2, 1, 1), value=1.0)
    yield call(draw(2, 0, 3), (1, 1, 2, 0), value=2)
    yield call(draw(2, 3, 2, 2, 2), (1, 0, 0, 1, 1, 1, 1, 0, 0, 1))
    yield call(draw(3, 4), ())
    yield call(draw(), ())


def _samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(3, 4), (1, 2))
    yield call(draw(3, 4), (1, 2), "constant", 2.0)
    yield call(draw(3, 4), (-1, -1, 1, 1), value=1)


def _bordered_samples(draw: Draw) -> Iterator[Sample]:
    for mode in ("reflect", "replicate", "circular"):
        yield call(draw(2, 5), (2, 3), mode)
        yield call(draw(2, 3, 9), (0, 2), mode)
        yield call(draw(2, 7), (-1, 2), mode)
        yield call(draw(2, 4, 3), (1, 2, 3, 0), mode)
        yield call(draw(2, 1, 3, 4), (2, -1, -1, 1), mode=mode)
        yield call(draw(0, 2, 3, 4), (2, 1, 1, 1), mode)
        yield call(draw(1, 2, 3, 3), (1, 1, 0, 2, 1, 0), mode)
        yield call(draw(2, 1, 3, 2, 3), (2, 1, 1, 0, 1, 2), mode)
        yield call(draw(1, 1, 8, 20), (3, 3, 2, 2), mode)
    yield call(draw(1, 2, 2), (5, 5, 4, 0), "replicate")
    yield call(draw(2, 0, 4), (1, 1), "circular")


_ROUGH: dict[str, Any] = {"rtol": EXACT, "forms": ("nn.functional",)}

ROWS = table(
    Row(
        name="constant_pad_nd",
        reference=constant_pad,
        samples=_constant_samples,
        dtypes=ALL,
        rtol=EXACT,
        forms=("torch",),
        bad=(
            bad(RuntimeError, ones(3), (1,), words=("pad",)),
            bad(RuntimeError, ones(3), (1, 1, 1, 1), words=("pad", "(3,)")),
            bad(RuntimeError, ones(3), (-2, -2), words=("(-2, -2)",)),
            bad(RuntimeError, ones(3), (-4, 2), words=("(-4, 2)",)),
            bad(RuntimeError, ones(3, dtype="int64"), (1, 1), float("inf"), words=("int64",)),
        ),
    ),
    Row(
        name="pad",
        reference=pad,
        samples=_samples,
        dtypes=ALL,
        bad=(
            bad(NotImplementedError, ones(2, 3), (1, 1), "mirror", words=("mirror",)),
            bad(RuntimeError, ones(2, 3), (1, 1), "reflect", 2.0, words=("value",)),
            bad(RuntimeError, ones(2, 3), (1,), words=("pad",)),
        ),
        **_ROUGH,
    ),
    Row(
        name="pad.itself",
        reference=pad,
        samples=_bordered_samples,
        dtypes=NUMBERS,
        like="pad",
        bad=(
            bad(RuntimeError, ones(2, 3), (3, 0), "reflect", words=("smaller", "(2, 3)")),
            bad(RuntimeError, ones(2, 3), (4, 0), "circular", words=("at most", "(2, 3)")),
            bad(RuntimeError, ones(2, 0), (1, 1), "replicate", words=("(2, 0)",)),
            bad(RuntimeError, ones(2, 3), (-1, -2), "replicate", words=("nothing",)),
            bad(RuntimeError, ones(3), (1, 1, 1, 1), "replicate", words=("(3,)",)),
            bad(RuntimeError, ones(2, 3), (1, 1, 1), "reflect", words=("pad",)),
            bad(NotImplementedError, ones(3), (1, 1), "reflect", words=("(3,)",)),
            bad(NotImplementedError, ones(2, 3), (1, 1, 1, 1), "circular", words=("(2, 3)",)),
        ),
        **_ROUGH,
    ),
)


def _cases() -> list[Case]:
    """The padding layers."""
    cases = []
    for n, shape in ((1, (2, 3, 5)), (2, (2, 3, 4)), (3, (2, 1, 3, 4, 3))):
        pads = (1, 2, 0, 1, 2, 1)[: 2 * n]
        for kind, mode in (("Reflection", "reflect"), ("Replication", "replicate"), ("Circular", "circular")):
            options: dict[str, Any] = {"padding": pads}
            cases += [
                Case(f"{kind}Pad{n}d", lambda x, m=mode, p=pads: pad(x, p, m), normal(shape), options),
                Case(
                    f"{kind}Pad{n}d",
                    lambda x, m=mode, n=n: pad(x, (1,) * (2 * n), m),
                    normal(shape),
                    {"padding": 1},
                ),
            ]
        cases += [
            Case(
                f"ConstantPad{n}d",
                lambda x, p=pads: pad(x, p, value=2.5),
                normal(shape),
                {"padding": pads, "value": 2.5},
            ),
            Case(f"ZeroPad{n}d", lambda x, n=n: pad(x, (1,) * (2 * n)), normal(shape), {"padding": 1}),
        ]
    return cases


CASES = _cases()
