"""Attention whose scores a function of places changes: ``unspool.nn.attention.flex_attention``.

The function is called once under ``vmap``, for all scores at a time; what a mask leaves out is computed too.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from unspool import _core
from unspool._core import Tensor, ops
from unspool.nn.attention._block_mask import (
    _DEFAULT_SPARSE_BLOCK_SIZE,
    BlockMask,
    Mod,
    and_masks,
    create_block_mask,
    create_mask,
    noop_mask,
    or_masks,
    over_all_places,
)

__all__ = [
    "_DEFAULT_SPARSE_BLOCK_SIZE",
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]


class AuxRequest(NamedTuple):
    """What ``flex_attention`` shall give besides the result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for; None for what was not."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def _check(query: Tensor, key: Tensor, value: Tensor, block_mask: BlockMask | None, enable_gqa: bool) -> None:
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ValueError(
            "flex_attention: query, key and value must have 4 dimensions, got shapes "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )
    if not query.dtype == key.dtype == value.dtype:
        raise ValueError(
            "flex_attention: query, key and value must have one dtype, got "
            f"{query.dtype}, {key.dtype} and {value.dtype}"
        )
    if key.shape[:3] != value.shape[:3]:
        raise ValueError(
            "flex_attention: key and value must have the same batches, heads and lengths, got shapes "
            f"{tuple(key.shape)} and {tuple(value.shape)}"
        )
    if query.shape[1] != key.shape[1] and not enable_gqa:
        raise ValueError(
            f"flex_attention: query has {query.shape[1]} heads and key {key.shape[1]}; set enable_gqa=True"
        )
    if query.shape[1] % key.shape[1]:
        raise ValueError(
            f"flex_attention: query's {query.shape[1]} heads are no multiple of key's {key.shape[1]}"
        )
    if query.shape[0] != key.shape[0] and key.shape[0] != 1:
        raise ValueError(f"flex_attention: query has {query.shape[0]} batches and key {key.shape[0]}")
    lengths = (query.shape[2], key.shape[2])
    if block_mask is not None and block_mask.seq_lengths != lengths:
        raise ValueError(
            f"flex_attention: block_mask is for {block_mask.seq_lengths} queries and keys, not {lengths}"
        )


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Mod | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """Give attention with scores that a function changes: softmax(mod(query keyᵀ scale)) value.

    Args:
        query: (B, Hq, L, E).
        key: (B or 1, Hkv, S, E).
        value: (B or 1, Hkv, S, Ev).
        score_mod: of (score, b, h, q_idx, kv_idx), 0-d tensors, giving the score to use.
        block_mask: which keys a query sees.
        scale: by default 1 / sqrt(E).
        enable_gqa: whether several heads of the query may share one of the key.
        return_lse: also give the logarithm of the sum of the exponentials of the scores, (B, Hq, L).
        kernel_options: has no effect.
        return_aux: what to give besides, instead of return_lse.

    Returns:
        (B, Hq, L, Ev) in query's dtype; a row without any key is zero. With return_lse or return_aux, a pair.

    Raises:
        ValueError: shapes or dtypes that do not fit, or both return_lse and return_aux.
    """
    del kernel_options
    if return_lse and return_aux is not None:
        raise ValueError("flex_attention: give return_lse or return_aux, not both")
    _check(query, key, value, block_mask, enable_gqa)
    group = query.shape[1] // key.shape[1]
    if group > 1:
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    working = _core.float64 if query.dtype is _core.float64 else _core.float32
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query @ key.transpose(-2, -1)).to(working) * factor
    batches, heads, queries, keys = scores.shape
    sizes = (batches, heads, queries, keys)
    if score_mod is not None:
        scores = over_all_places(score_mod, sizes, scores).to(working)
    if block_mask is not None:
        scores = scores.masked_fill(~over_all_places(block_mask.mask_mod, sizes).to(_core.bool), -math.inf)
    unseen = (scores == -math.inf).all(-1, keepdim=True)
    weights = ops.softmax(scores.masked_fill(unseen, 0.0), -1).masked_fill(unseen, 0.0)
    result = weights.to(query.dtype) @ value
    if not return_lse and return_aux is None:
        return result
    lse = scores.masked_fill(unseen, 0.0).logsumexp(-1).masked_fill(unseen.squeeze(-1), -math.inf)
    if return_aux is None:
        return result, lse
    return result, AuxOutput(
        lse if return_aux.lse else None, scores.amax(-1) if return_aux.max_scores else None
    )
