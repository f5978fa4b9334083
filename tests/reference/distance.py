"""Rows: distances of all rows to all rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .rows import Array, Draw, Row, Sample, bad, call, ones, table


def cdist(x: Array, y: Array, p: float = 2.0, compute_mode: str = "") -> Array:
    """The p-norm of every difference of a row of x and a row of y."""
    del compute_mode
    gaps = np.abs(x[..., :, None, :] - y[..., None, :, :])
    if p == 0:
        return np.asarray((gaps != 0).sum(-1), dtype=np.float64)
    if p == np.inf:
        return np.asarray(gaps.max(-1) if gaps.shape[-1] else gaps.sum(-1))
    return np.asarray((gaps**p).sum(-1) ** (1 / p))


def pdist(x: Array, p: float = 2.0) -> Array:
    """The distances above the diagonal of cdist(x, x), row after row."""
    return cdist(x, x, p)[np.triu_indices(len(x), 1)]


def _apart(draw: Draw, *shape: int, columns: int = 3) -> tuple[Array, Array]:
    """(..., 5, columns) and (..., 4, columns): no two coordinates equal, no two differences of one size."""
    far = draw(*shape, 4, columns, low=2.0, high=3.0) + 3 * np.arange(columns)
    return draw(*shape, 5, columns, low=0.0, high=1.0), (far * (-1) ** np.arange(columns)).astype(draw.dtype)


NORMS = (2.0, 1.0, 3.0, 1.5, 0.0, np.inf)


def _cdist_samples(draw: Draw) -> Iterator[Sample]:
    for p in NORMS:
        yield call(*_apart(draw), p)
        yield call(*_apart(draw, 2), p=p)
    yield call(draw(2, 1, 5, 3), draw(3, 4, 3))
    yield call(draw(33, 7), draw(41, 7), compute_mode="donot_use_mm_for_euclid_dist", smooth=False)
    yield call(draw(0, 3), draw(4, 3))
    yield call(draw(5, 3), draw(0, 3))
    yield call(draw(5, 0), draw(4, 0))


def _pdist_samples(draw: Draw) -> Iterator[Sample]:
    for p in NORMS:
        yield call((draw.distinct(5, 3) * 8 * 0.7 ** np.arange(3)).astype(draw.dtype), p)
    yield call(draw(1, 3))
    yield call(draw(0, 3))


LOOSE = {
    "why": "the power function is exact to a few ulp, and the root of a sum of powers keeps that",
    "rtol": {"float32": 4e-6, "float64": 1e-13},
}

ROWS = table(
    Row(
        name="cdist",
        reference=cdist,
        samples=_cdist_samples,
        forms=("torch",),
        result="promote",
        ties=False,
        **LOOSE,
        bad=(
            bad(RuntimeError, ones(3), ones(2, 3), words=("2 dimensions",)),
            bad(RuntimeError, ones(2, 3), ones(2, 4), words=("(2, 3)", "(2, 4)")),
            bad(RuntimeError, ones(2, 3), ones(2, 3), -1.0, words=("-1",)),
            bad(RuntimeError, ones(2, 2, 3), ones(3, 2, 3), words=("broadcast",)),
            bad(RuntimeError, ones(2, 3, dtype="int64"), ones(2, 3), words=("int64",)),
            bad(ValueError, ones(2, 3), ones(2, 3), compute_mode="fast", words=("fast",)),
        ),
    ),
    Row(
        name="pdist",
        reference=pdist,
        samples=_pdist_samples,
        forms=("nn.functional",),
        ties=False,
        **LOOSE,
        bad=(bad(RuntimeError, ones(3), words=("(3,)",)), bad(RuntimeError, ones(2, 3), -1.0, words=("-1",))),
    ),
)
