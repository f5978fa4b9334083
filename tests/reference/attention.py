"""Rows: scaled dot-product attention."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .rows import Array, Draw, Row, Sample, bad, call, ones, table


def attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """softmax(query key^T scale + mask) value; zeros where nothing is seen."""
    assert dropout_p == 0.0
    if enable_gqa:
        key = np.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
        value = np.repeat(value, query.shape[-3] // value.shape[-3], axis=-3)
    factor = 1 / np.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.swapaxes(-1, -2) * factor
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if attn_mask is not None:
        scores = np.where(attn_mask, scores, -np.inf) if attn_mask.dtype == bool else scores + attn_mask
    if scores.shape[-1] == 0:
        return np.zeros((*scores.shape[:-1], value.shape[-1]))
    largest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(largest), largest, 0.0))
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(weights / np.where(total == 0, 1.0, total) @ value)


def _samples(draw: Draw) -> Iterator[Sample]:
    def three(*lead: int, rows: int = 3, keys: int = 5, depth: int = 4, width: int = 4) -> tuple[Array, ...]:
        return draw(*lead, rows, depth), draw(*lead, keys, depth), draw(*lead, keys, width)

    yield call(*three(2, 2))
    yield call(*three())
    yield call(*three(2, width=3), scale=0.7)
    yield call(*three(2, 1, 2))
    yield call(*three(1, 2, rows=5, keys=3), is_causal=True)
    yield call(*three(1, 2, rows=3, keys=5), is_causal=True)
    yield call(*three(1, 2), draw.mask(3, 5))
    yield call(*three(2, 2), attn_mask=draw.mask(2, 1, 1, 5))
    yield call(*three(2, 2), np.zeros((3, 5), dtype=bool))
    yield call(*three(1, 2), draw(2, 3, 5))
    yield call(*three(1, 2), draw(3, 1))
    yield call(draw(1, 4, 3, 4), draw(1, 2, 5, 4), draw(1, 2, 5, 3), enable_gqa=True)
    yield call(draw(2, 2, 3, 4), draw(1, 5, 4), draw(2, 1, 5, 4))
    yield call(*three(2, 0))
    yield call(*three(1, 1, keys=0))
    yield call(*three(1, 1, rows=0))
    yield call(*three(1, 2, rows=70, keys=150, depth=24, width=40), smooth=False)
    yield call(*three(2, 1, rows=130, keys=130, depth=16, width=16), is_causal=True, smooth=False)
    yield call(*three(1, 1, rows=20, keys=700, depth=8, width=33), draw.mask(20, 700), smooth=False)


X = ones(1, 2, 3, 4)

ROWS = table(
    Row(
        name="scaled_dot_product_attention",
        reference=attention,
        samples=_samples,
        forms=("nn.functional",),
        scale="largest",
        why="scores of rows that are far from the largest carry the rounding of products of 3 * 3",
        rtol={"float32": 4e-6, "float64": 4e-14},
        bad=(
            bad(RuntimeError, X, X, X, ones(3, 3), is_causal=True, words=("is_causal",)),
            bad(RuntimeError, X, X, ones(1, 2, 3, 4, dtype="float64"), words=("float64",)),
            bad(RuntimeError, X, ones(1, 2, 3, 5), X, words=("(1, 2, 3, 5)",)),
            bad(RuntimeError, ones(4), X, X, words=("2 dimensions",)),
            bad(RuntimeError, X, ones(1, 3, 3, 4), ones(1, 3, 3, 4), words=("broadcast",)),
            bad(RuntimeError, X, ones(1, 3, 3, 4), ones(1, 3, 3, 4), enable_gqa=True, words=("heads",)),
            bad(RuntimeError, X, X, X, ones(3, 4), words=("(3, 4)",)),
            bad(RuntimeError, X, X, X, ones(3, 3, dtype="int64"), words=("int64",)),
            bad(RuntimeError, X, X, X, dropout_p=1.5, words=("1.5",)),
            bad(RuntimeError, *[ones(1, 2, 3, 4, dtype="int64")] * 3, words=("int64",)),
        ),
    ),
)
