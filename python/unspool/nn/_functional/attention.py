"""Multi-head attention around the products of scaled_dot_product_attention: projections, heads and masks."""

from __future__ import annotations

import math

import unspool
from unspool._arguments import require_tensors
from unspool._core import Tensor
from unspool.nn._functional.common import ops
from unspool.nn._functional.dropout import dropout


def float_mask(mask: Tensor | None, name: str, dtype: unspool.dtype) -> Tensor | None:
    """A mask as numbers that are added to scores: where a bool one is True, -inf.

    Raises:
        AssertionError: another dtype than bool or a floating one.
    """
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype != unspool.bool:
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    return unspool.zeros(mask.shape, dtype=dtype).masked_fill_(mask, -math.inf)


def _check_shapes(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> bool:
    """Whether there is a batch dimension."""
    batched = query.dim() == 3
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if query.dim() not in (2, 3) or key.dim() != query.dim() or value.dim() != query.dim():
        raise AssertionError(
            "multi_head_attention_forward: query, key and value must all be 2-d (unbatched) or 3-d; got "
            f"{shapes}"
        )
    if padding is not None and padding.dim() != query.dim() - 1:
        raise AssertionError(
            f"multi_head_attention_forward: key_padding_mask {tuple(padding.shape)} does not fit {shapes}: "
            f"expected {'(batch, S)' if batched else '(S,)'}"
        )
    if mask is not None and mask.dim() not in (2, 3):
        raise AssertionError(
            f"multi_head_attention_forward: attn_mask must be 2-d or 3-d, got {tuple(mask.shape)}"
        )
    if not batched and mask is not None and mask.dim() == 3 and mask.shape[0] != heads:
        raise AssertionError(
            f"multi_head_attention_forward: attn_mask {tuple(mask.shape)} must have {heads} heads in front"
        )
    return batched


def _project(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The three input projections whose weights lie in one tensor; one product where the inputs are one."""
    size = query.shape[-1]
    if query is key and key is value:
        q, k, v = ops.linear(query, weight, bias).chunk(3, -1)
        return q, k, v
    if key is value:
        weights = weight.split([size, 2 * size])
        biases = (None, None) if bias is None else bias.split([size, 2 * size])
        k, v = ops.linear(key, weights[1], biases[1]).chunk(2, -1)
        return ops.linear(query, weights[0], biases[0]), k, v
    return _project_each((query, key, value), weight.chunk(3), bias)


def _project_each(
    inputs: tuple[Tensor, ...], weights: tuple[Tensor, ...], bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    biases = (None, None, None) if bias is None else bias.chunk(3)
    q, k, v = (ops.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
    return q, k, v


def _checked_mask(mask: Tensor, batch: int, heads: int, rows: int, columns: int) -> Tensor:
    """A mask as (1, L, S) or (batch * heads, L, S)."""
    expected = (rows, columns) if mask.dim() == 2 else (batch * heads, rows, columns)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"multi_head_attention_forward: the shape of attn_mask is {tuple(mask.shape)}, but should be "
            f"{expected}"
        )
    return mask.unsqueeze(0) if mask.dim() == 2 else mask


def _with_column(mask: Tensor | None) -> Tensor | None:
    """A mask for one more key, which everyone sees."""
    if mask is None:
        return None
    return unspool.cat([mask, unspool.zeros((*mask.shape[:-1], 1), dtype=mask.dtype)], -1)


def _in_heads(x: Tensor, heads: int) -> Tensor:
    """(rows, batch, E) as (batch * heads, rows, E / heads)."""
    rows, batch, size = x.shape
    return x.reshape(rows, batch * heads, size // heads).transpose(0, 1)


def _static(given: Tensor | None, made: Tensor, name: str) -> Tensor:
    if given is None:
        return made
    if (given.shape[0], given.shape[2]) != (made.shape[0], made.shape[2]):
        raise AssertionError(
            f"multi_head_attention_forward: {name} {tuple(given.shape)} does not fit (batch * heads, S, "
            f"head size) = {tuple(made.shape)}"
        )
    return given


def _merged(mask: Tensor | None, padding: Tensor | None, heads: int) -> Tensor | None:
    """The masks of scores and of keys as one: (1 or batch * heads, L or 1, S)."""
    if padding is None:
        return mask
    batch, columns = padding.shape
    spread = padding.view(batch, 1, 1, columns).expand(batch, heads, 1, columns)
    spread = spread.reshape(batch * heads, 1, columns)
    return spread if mask is None else mask + spread


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention by several heads at once (Vaswani et al. 2017, section 3.2.2).

    Args:
        query: (L, N, E), or (L, E) without a batch.
        key: (S, N, Ek) or (S, Ek).
        value: (S, N, Ev) or (S, Ev).
        embed_dim_to_check: E.
        num_heads: H, a divisor of E.
        in_proj_weight: the three projections, (3 E, E); not with ``use_separate_proj_weight``.
        in_proj_bias: (3 E,), or None.
        bias_k: one more key, (1, 1, E), or None.
        bias_v: its value, (1, 1, E), or None.
        add_zero_attn: one more key and value of zeros.
        dropout_p: of the weights, when training.
        out_proj_weight: (E, E).
        out_proj_bias: (E,), or None.
        training: apply dropout.
        key_padding_mask: (N, S) or (S,): True, or -inf, hides a key.
        need_weights: also return the weights; slower.
        attn_mask: (L, S) or (N * H, L, S): True, or -inf, hides a key from a query.
        use_separate_proj_weight: the projections are the three weights that follow.
        q_proj_weight: (E, E).
        k_proj_weight: (E, Ek).
        v_proj_weight: (E, Ev).
        static_k: heads of the key as they are, (N * H, S, E / H), instead of projected ones.
        static_v: the same for the value.
        average_attn_weights: return the mean of the weights over the heads.
        is_causal: a hint that ``attn_mask`` hides all later keys, and nothing else.

    Returns:
        The output, of the query's shape, and the weights, (N, L, S) or (N, H, L, S), or None.

    Raises:
        AssertionError: shapes, sizes or dtypes of masks that do not go together.
        RuntimeError: ``is_causal`` without ``attn_mask``, or a mask of another shape.
    """
    masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
    given = {name: mask for name, mask in masks.items() if mask is not None}
    require_tensors("multi_head_attention_forward", query=query, key=key, value=value, **given)
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        shared = query is key and key is value, key is value
        query = query.unsqueeze(1)
        key = query if shared[0] else key.unsqueeze(1)
        value = key if shared[1] else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    rows, batch, size = query.shape
    if size != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    if size % num_heads:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    by_hint = is_causal and key_padding_mask is None and not need_weights and bias_k is None
    by_hint = by_hint and not add_zero_attn
    mask = None if by_hint else float_mask(attn_mask, "attn_mask", query.dtype)
    padding = float_mask(key_padding_mask, "key_padding_mask", query.dtype)

    if use_separate_proj_weight:
        if q_proj_weight is None or k_proj_weight is None or v_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is True but one of the projections is None")
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = _project_each((query, key, value), weights, in_proj_bias)
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        if key.shape != value.shape:
            raise AssertionError(
                f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}"
            )
        q, k, v = _project(query, key, value, in_proj_weight, in_proj_bias)
    if mask is not None:
        mask = _checked_mask(mask, batch, num_heads, rows, k.shape[0])
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must both be given, or neither")
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value")
        k = unspool.cat([k, bias_k.expand(1, batch, size)])
        v = unspool.cat([v, bias_v.expand(1, batch, size)])
        mask, padding = _with_column(mask), _with_column(padding)
    q = _in_heads(q, num_heads)
    k = _static(static_k, k, "static_k") if static_k is not None else _in_heads(k, num_heads)
    v = _static(static_v, v, "static_v") if static_v is not None else _in_heads(v, num_heads)
    if add_zero_attn:
        zeros = unspool.zeros((batch * num_heads, 1, size // num_heads), dtype=k.dtype)
        k, v = unspool.cat([k, zeros], 1), unspool.cat([v, zeros], 1)
        mask, padding = _with_column(mask), _with_column(padding)
    if padding is not None and tuple(padding.shape) != (batch, k.shape[1]):
        raise AssertionError(
            f"expecting key_padding_mask shape of {(batch, k.shape[1])}, but got {tuple(padding.shape)}"
        )
    mask = _merged(mask, padding, num_heads)
    probability = dropout_p if training else 0.0

    scores = None
    if need_weights:
        scores = (q * math.sqrt(1.0 / q.shape[2])) @ k.transpose(1, 2)
        scores = ops.softmax(scores if mask is None else scores + mask, -1)
        if probability > 0:
            scores = dropout(scores, probability)
        mixed = scores @ v
    else:
        q, k, v = (x.view(batch, num_heads, x.shape[1], x.shape[2]) for x in (q, k, v))
        if mask is not None:
            mask = mask.unsqueeze(0) if mask.shape[0] == 1 else mask.view(batch, num_heads, *mask.shape[1:])
        mixed = ops.scaled_dot_product_attention(q, k, v, mask, probability, by_hint)
        mixed = mixed.reshape(batch * num_heads, rows, size // num_heads)
    output = ops.linear(mixed.transpose(0, 1).reshape(rows, batch, size), out_proj_weight, out_proj_bias)
    if scores is not None:
        scores = scores.view(batch, num_heads, rows, scores.shape[2])
        scores = scores.mean(1) if average_attn_weights else scores
        scores = scores if batched else scores.squeeze(0)
    return (output if batched else output.squeeze(1)), scores
