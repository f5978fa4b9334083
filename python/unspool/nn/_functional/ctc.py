"""Connectionist temporal classification: lengths and targets brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import unspool
from unspool import _core
from unspool._arguments import require_tensors
from unspool._core import Tensor

Lengths = Tensor | Sequence[int]


def _lengths(name: str, given: Lengths, samples: int) -> Tensor:
    """Lengths as a 1-d int64 tensor, one for each sample."""
    if not isinstance(given, Tensor):
        return _lengths(name, unspool.tensor(list(given), dtype=unspool.int64), samples)
    if given.is_floating_point() or given.dtype == unspool.bool:
        raise RuntimeError(f"ctc_loss: {name} must be integral, got {given.dtype}")
    lengths = given.long().reshape(-1)
    if lengths.numel() != samples:
        raise RuntimeError(f"ctc_loss: {name} must be of size batch_size ({samples}), got {lengths.numel()}")
    return lengths


def _starts(targets: Tensor, lengths: Tensor, samples: int) -> Tensor:
    """Where each sample's labels begin in the flat targets."""
    if targets.dim() == 1:
        if int(lengths.sum()) > targets.numel():
            raise RuntimeError(
                f"ctc_loss: target_lengths sum to {int(lengths.sum())}, but targets has {targets.numel()} "
                "labels"
            )
        return lengths.cumsum(0) - lengths
    if targets.dim() != 2 or targets.shape[0] != samples:
        raise RuntimeError(
            f"ctc_loss: targets must be ({samples}, S) or 1-d with all labels, got {tuple(targets.shape)}"
        )
    return unspool.arange(samples) * targets.shape[1]


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Negative log likelihood of label sequences, summed over all alignments (Graves et al. 2006).

    Args:
        log_probs: log_softmax over classes, (T, N, C), or (T, C) without a batch. The gradient is that of
            scores with this log_softmax, which log_softmax passes on as it is.
        targets: classes, int64 or int32: (N, S), or all labels one after the other; never ``blank``.
        input_lengths: steps of each sample, (N,) or a list.
        target_lengths: labels of each sample, (N,) or a list.
        blank: the class that stands for no label.
        reduction: "none", "mean" (of the losses divided by their target lengths) or "sum".
        zero_infinity: 0 for losses, and their gradients, of targets that are too long to be aligned.

    Raises:
        ValueError: another reduction.
        RuntimeError: shapes, lengths or dtypes that do not go together, or a blank that is no class.
        IndexError: a target outside of [0, C).
    """
    require_tensors("ctc_loss", log_probs=log_probs, targets=targets)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"ctc_loss: {reduction!r} is not a valid value for reduction")
    if log_probs.dim() not in (2, 3):
        raise RuntimeError(
            f"ctc_loss: log_probs must be (T, N, C) or (T, C), got shape {tuple(log_probs.shape)}"
        )
    if targets.is_floating_point() or targets.dtype == unspool.bool:
        raise RuntimeError(f"ctc_loss: targets must be integral, got {targets.dtype}")
    batched = log_probs.dim() == 3
    scores = log_probs if batched else log_probs.unsqueeze(1)
    samples = scores.shape[1]
    steps = _lengths("input_lengths", input_lengths, samples)
    lengths = _lengths("target_lengths", target_lengths, samples)
    width = int(lengths.max()) if samples else 0
    if targets.dim() == 2 and width > targets.shape[1]:
        raise RuntimeError(
            f"ctc_loss: target_lengths may be at most {targets.shape[1]}, the width of targets; got {width}"
        )
    starts = _starts(targets, lengths, samples)
    flat: Any = targets.long().reshape(-1)
    losses = _core.hidden.ctc_loss_forward(
        scores, flat, starts, steps, lengths, blank, max(width, 0), zero_infinity
    )[0]
    if zero_infinity:
        losses = unspool.where(losses == float("inf"), 0.0, losses)
    if reduction == "mean":
        return (losses / lengths.clamp(min=1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses if batched else losses.squeeze(0)
