"""Rows of a table by index, alone or combined in bags, and one-hot vectors."""

from __future__ import annotations

from typing import Any

import unspool
from unspool import _core
from unspool._arguments import require_tensors
from unspool._core import Tensor

_hidden = _core.hidden
NO_PADDING = -1  # no index has this value


def _padding_row(name: str, padding_idx: int | None, rows: int) -> int:
    """``padding_idx`` counted from the front; ``NO_PADDING`` for None."""
    if padding_idx is None:
        return NO_PADDING
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{name}: padding_idx {padding_idx} must be within num_embeddings ({rows})")
    return padding_idx % rows


def _shorten(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Renormalizes in place the rows that are about to be read."""
    with unspool.no_grad():
        _hidden.embedding_renorm_(weight, indices, max_norm, norm_type)


def _refuse_sparse(name: str) -> None:
    raise NotImplementedError(
        f"{name}: sparse=True asks for sparse gradients, which unspool does not have; leave it out to get "
        "the same values as a dense gradient"
    )


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table: weight[input].

    Args:
        input: indices, int64 or int32, any shape.
        weight: the table, shape (V, D).
        padding_idx: a row that receives no gradient.
        max_norm: rows that are read are first shortened, in place, to this norm.
        norm_type: exponent of that norm.
        scale_grad_by_freq: divide the gradient of a row by the number of times it was read.
        sparse: sparse gradients; refused.

    Returns:
        Shape (*input.shape, D).

    Raises:
        IndexError: an index outside of [0, V).
        AssertionError: ``padding_idx`` outside of [-V, V).
        NotImplementedError: ``sparse``.
    """
    require_tensors("embedding", input=input, weight=weight)
    row = NO_PADDING if padding_idx is None else _padding_row("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _shorten(weight, input.contiguous(), max_norm, norm_type)
    return unspool.embedding(weight, input, row, scale_grad_by_freq, sparse)


def _bag_offsets(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """Where each bag begins in the flat indices, and behind the last where it ends; int64."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "embedding_bag: a 2-d input is a batch of bags of fixed length; offsets must be None, got a "
                f"tensor of shape {tuple(offsets.shape)}"
            )
        bags, length = input.shape
        return unspool.arange(bags + 1) * length
    if input.dim() != 1:
        raise ValueError(f"embedding_bag: input has to be 1-d or 2-d, got shape {tuple(input.shape)}")
    if offsets is None:
        raise ValueError("embedding_bag: offsets has to be a 1-d tensor but got None, and input is 1-d")
    if offsets.dim() != 1:
        raise ValueError(f"embedding_bag: offsets has to be a 1-d tensor, got shape {tuple(offsets.shape)}")
    starts = offsets.long()
    if include_last_offset:
        if starts.numel() == 0:
            raise ValueError("embedding_bag: include_last_offset: offsets must hold at least one element")
        return starts
    return unspool.cat([starts, unspool.tensor([input.numel()])])


def _check_bag_call(
    input: Tensor,
    weight: Tensor,
    mode: str,
    scale_grad_by_freq: bool,
    sparse: bool,
    per_sample_weights: Tensor | None,
) -> None:
    if weight.dim() != 2:
        raise ValueError(f"embedding_bag: weight has to be a 2-d tensor, got shape {tuple(weight.shape)}")
    if input.dtype not in (_core.int64, _core.int32):
        raise RuntimeError(
            f"embedding_bag: indices must be int64 or int32, got {input.dtype}; convert them with .long()"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean, max, got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: max mode does not support sparse weights")
    if sparse:
        _refuse_sparse("embedding_bag")
    if per_sample_weights is None:
        return
    if tuple(per_sample_weights.shape) != tuple(input.shape):
        raise ValueError(
            f"embedding_bag: per_sample_weights {tuple(per_sample_weights.shape)} must have the shape of "
            f"input {tuple(input.shape)}"
        )
    if mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights was given, which only mode='sum' supports (got {mode!r})"
        )


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima over bags of rows of a table, without forming the rows.

    Args:
        input: indices, int64 or int32: (B, N), a batch of bags of one length, or (N,), cut by ``offsets``.
        weight: the table, shape (V, D).
        offsets: where each bag of a 1-d input begins; the first is 0.
        max_norm: rows that are read are first shortened, in place, to this norm.
        norm_type: exponent of that norm.
        scale_grad_by_freq: divide the gradient of a row by the number of times it was read; not with "max".
        mode: "sum", "mean" or "max". Empty bags give zeros.
        sparse: sparse gradients; refused.
        per_sample_weights: a factor for each index, the shape of ``input``; only with "sum".
        include_last_offset: ``offsets`` ends with the end of the last bag.
        padding_idx: an index that counts in no bag and whose row receives no gradient.

    Returns:
        Shape (B, D).

    Raises:
        ValueError: shapes or arguments that do not go together.
        IndexError: an index outside of [0, V), or offsets that are not ascending from 0.
    """
    require_tensors("embedding_bag", input=input, weight=weight)
    given = {"offsets": offsets, "per_sample_weights": per_sample_weights}
    require_tensors("embedding_bag", **{name: each for name, each in given.items() if each is not None})
    _check_bag_call(input, weight, mode, scale_grad_by_freq, sparse, per_sample_weights)
    padding = _padding_row("embedding_bag", padding_idx, weight.shape[0])
    starts = _bag_offsets(input, offsets, include_last_offset)
    indices = input.reshape(-1).long()
    if max_norm is not None:
        _shorten(weight, indices, max_norm, norm_type)
    if mode == "max":
        return _hidden.embedding_bag_max(weight, indices, starts, padding)[0]
    if mode == "mean":
        scale = _hidden.embedding_bag_mean_scales(indices, starts, padding, weight.dtype)
    elif per_sample_weights is None:
        scale = unspool.ones(indices.shape, dtype=weight.dtype)
    else:
        scale = per_sample_weights.reshape(-1)
        if scale.dtype != weight.dtype:
            raise RuntimeError(
                f"embedding_bag: weight is {weight.dtype} but per_sample_weights is {scale.dtype}; convert "
                "it with .to()"
            )
    return _hidden.embedding_bag_sum(weight, indices, starts, scale, padding, scale_grad_by_freq)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A vector for each class index: 1 at that index, 0 elsewhere.

    Args:
        tensor: class indices, int64, any shape.
        num_classes: length of the vectors; -1 takes the largest index plus one.

    Returns:
        int64, shape (*tensor.shape, num_classes).

    Raises:
        RuntimeError: another dtype, a negative index, one that is not below ``num_classes``, or no index to
            tell the number of classes from.
    """
    require_tensors("one_hot", tensor=tensor)
    if tensor.dtype != unspool.int64:
        raise RuntimeError(
            f"one_hot: class indices must be int64, got {tensor.dtype}; convert them with .long()"
        )
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("one_hot: cannot infer the total number of classes from an empty tensor")
        return unspool.empty((*tensor.shape, num_classes), dtype=unspool.int64)
    if num_classes > 0 and _core.is_capturing():  # a replay checks the indices where they are used
        return unspool.zeros(*tensor.shape, num_classes, dtype=unspool.int64).scatter_(
            -1, tensor.unsqueeze(-1), 1
        )
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0:
        raise RuntimeError(f"one_hot: class values must not be negative, got {low}")
    if num_classes == -1:
        num_classes = high + 1
    elif num_classes < 1:
        raise RuntimeError(f"one_hot: num_classes must be positive, got {num_classes}")
    elif high >= num_classes:
        raise RuntimeError(
            f"one_hot: class values must be smaller than num_classes ({num_classes}), got {high}"
        )
    classes: Any = unspool.arange(num_classes)
    hot: Tensor = (tensor.unsqueeze(-1) == classes).long()
    return hot
