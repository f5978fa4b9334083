"""flex_attention: scores changed by functions of places, against the same changes made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import unspool as us
from unspool.nn.attention.flex_attention import (
    AuxRequest,
    BlockMask,
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    noop_mask,
    or_masks,
)

BATCHES, HEADS, QUERIES, KEYS, WIDTH = 2, 4, 5, 7, 6


def _draw(heads: int = HEADS) -> tuple[us.Tensor, us.Tensor, us.Tensor]:
    us.manual_seed(3)
    shapes = ((BATCHES, HEADS, QUERIES, WIDTH), (BATCHES, heads, KEYS, WIDTH), (BATCHES, heads, KEYS, 3))
    q, k, v = (us.randn(*shape, dtype=us.float64).requires_grad_() for shape in shapes)
    return q, k, v


def _causal(b: us.Tensor, h: us.Tensor, q: us.Tensor, k: us.Tensor) -> us.Tensor:
    return q >= k


def _by_hand(q: us.Tensor, k: us.Tensor, v: us.Tensor, bias: us.Tensor, seen: us.Tensor) -> us.Tensor:
    scores = q @ k.mT / math.sqrt(WIDTH) + bias
    return scores.masked_fill(~seen, -math.inf).softmax(-1) @ v


def _slopes(result: us.Tensor, inputs: tuple[us.Tensor, ...]) -> list[np.ndarray]:
    weights = us.arange(result.numel(), dtype=us.float64).reshape(result.shape)
    return [each.numpy() for each in us.autograd.grad((result * weights).sum(), inputs)]


def test_values_and_gradients_are_those_of_the_changes_by_hand() -> None:
    q, k, v = _draw()
    slope = us.randn(HEADS, dtype=us.float64).requires_grad_()
    mask = create_block_mask(_causal, None, None, QUERIES, KEYS, BLOCK_SIZE=4)
    distance = us.arange(QUERIES)[:, None] - us.arange(KEYS)
    result = flex_attention(q, k, v, lambda s, b, h, i, j: s + slope[h] * (i - j), mask)
    expected = _by_hand(q, k, v, slope[:, None, None] * distance, distance >= 0)
    np.testing.assert_allclose(result.detach(), expected.detach(), rtol=1e-12)
    inputs = (q, k, v, slope)
    for mine, other in zip(_slopes(result, inputs), _slopes(expected, inputs), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)


def test_heads_of_the_query_share_those_of_the_key() -> None:
    q, k, v = _draw(heads=2)
    result, aux = flex_attention(
        q, k, v, enable_gqa=True, scale=0.5, return_aux=AuxRequest(lse=True, max_scores=True)
    )
    scores = q @ k.repeat_interleave(2, 1).mT * 0.5
    np.testing.assert_allclose(
        result.detach(), (scores.softmax(-1) @ v.repeat_interleave(2, 1)).detach(), rtol=1e-12
    )
    np.testing.assert_allclose(aux.lse.detach(), scores.logsumexp(-1).detach(), rtol=1e-12)
    np.testing.assert_allclose(aux.max_scores.detach(), scores.amax(-1).detach(), rtol=1e-12)


def test_a_query_that_sees_nothing_gets_zero() -> None:
    q, k, v = _draw()
    mask = create_block_mask(lambda b, h, i, j: i > j, 1, 1, QUERIES, KEYS)
    result, lse = flex_attention(q, k, v, block_mask=mask, return_lse=True)
    assert not result[:, :, 0].any()
    assert (lse[:, :, 0] == -math.inf).all()
    assert all(np.isfinite(each).all() for each in _slopes(result, (q, k, v)))


def test_blocks_are_found() -> None:
    mask = create_block_mask(_causal, None, None, 10, 10, BLOCK_SIZE=4)
    assert mask.shape == (1, 1, 10, 10)
    assert mask.kv_num_blocks.tolist() == [[[1, 1, 3]]]
    assert mask.kv_indices.tolist() == [[[[0, 1, 2], [1, 0, 2], [0, 1, 2]]]]
    assert mask.full_kv_num_blocks is not None
    assert mask.full_kv_num_blocks.tolist() == [[[0, 1, 0]]]
    assert mask.to_dense().tolist() == [[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]]]
    assert mask.sparsity() == pytest.approx(4.0)
    again = BlockMask.from_kv_blocks(mask.kv_num_blocks, mask.kv_indices, BLOCK_SIZE=4)
    assert again.shape == (1, 1, 12, 12)
    assert again.mask_mod is noop_mask


def test_masks_are_combined() -> None:
    def near(b: us.Tensor, h: us.Tensor, q: us.Tensor, k: us.Tensor) -> us.Tensor:
        return (q - k).abs() < 2

    rows, columns = np.indices((5, 5))
    both = create_mask(and_masks(_causal, near), 2, None, 5, 5)
    assert both.shape == (2, 1, 5, 5)
    np.testing.assert_array_equal(both[1, 0], (rows >= columns) & (abs(rows - columns) < 2))
    either = create_mask(or_masks(_causal, near), None, None, 5, 5)
    np.testing.assert_array_equal(either[0, 0], (rows >= columns) | (abs(rows - columns) < 2))
    by_score = create_mask(lambda s, b, h, q, k: us.where(q >= k, s, -math.inf), None, None, 5, 5)
    np.testing.assert_array_equal(by_score[0, 0], rows >= columns)


def test_what_does_not_fit_is_named() -> None:
    q, k, v = _draw()
    with pytest.raises(ValueError, match="4 dimensions"):
        flex_attention(q[0], k, v)
    with pytest.raises(ValueError, match="one dtype"):
        flex_attention(q, k.float(), v)
    with pytest.raises(ValueError, match="enable_gqa"):
        flex_attention(q, k[:, :2], v[:, :2])
    with pytest.raises(ValueError, match=r"block_mask is for \(4, 4\).*not \(5, 7\)"):
        flex_attention(q, k, v, block_mask=create_block_mask(_causal, None, None, 4, 4))
    with pytest.raises(ValueError, match="not both"):
        flex_attention(q, k, v, return_lse=True, return_aux=AuxRequest(lse=True))
    with pytest.raises(RuntimeError, match="must be functions"):
        and_masks(_causal, 3)  # type: ignore[arg-type]


def test_functions_for_single_places_are_called_for_each() -> None:
    q, k, v = _draw()
    table = us.randn(HEADS, QUERIES, KEYS, dtype=us.float64)
    changes = (
        lambda s, b, h, i, j: s + table[h][i][j],
        lambda s, b, h, i, j: s - s.max() + table[h, i, j],  # a score is its own largest
    )
    for change, base in zip(changes, (1.0, 0.0), strict=True):
        result = flex_attention(q, k, v, change)
        scores = base * q @ k.mT / math.sqrt(WIDTH) + table
        np.testing.assert_allclose(result.detach(), (scores.softmax(-1) @ v).detach(), rtol=1e-12)


def test_a_recorded_step_repeats_it() -> None:
    q, k, v = _draw()
    lengths = us.tensor([[True] * 7, [True] * 4 + [False] * 3])
    mask = create_block_mask(lambda b, h, i, j: lengths[b, j], BATCHES, None, QUERIES, KEYS)
    step = us.compile(lambda q, k, v: flex_attention(q, k, v, lambda s, b, h, i, j: s.tanh(), mask))
    for _ in range(2):
        q.data += 1.0
        expected = flex_attention(q, k, v, lambda s, b, h, i, j: s.tanh(), mask)
        np.testing.assert_allclose(step(q, k, v).detach(), expected.detach(), rtol=1e-12)
