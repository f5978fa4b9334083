"""Losses under the names that PyTorch shows at its top level, where a reduction is a number.

0, the default, keeps every element, 1 takes the mean and 2 the sum. The losses of ``nn.functional`` are the
same otherwise: they name the reduction, and take the mean by default.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from unspool._core import Tensor

__all__ = [
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "ctc_loss",
    "hinge_embedding_loss",
    "kl_div",
    "margin_ranking_loss",
    "poisson_nll_loss",
    "triplet_margin_loss",
]

NONE, MEAN, SUM = 0, 1, 2
_NAMES = ("none", "mean", "sum")


def _run(name: str, *args: Any, reduction: int, **kwargs: Any) -> Tensor:
    from unspool.nn import functional

    if isinstance(reduction, bool) or not hasattr(type(reduction), "__index__"):
        raise TypeError(
            f"{name}(): argument 'reduction' must be int, not {type(reduction).__name__}; names are for "
            f"nn.functional.{name}"
        )
    number = operator.index(reduction)
    if number not in (NONE, MEAN, SUM):
        raise ValueError(f"{name}(): reduction must be 0 (none), 1 (mean) or 2 (sum), got {number}")
    result: Tensor = getattr(functional, name)(*args, reduction=_NAMES[number], **kwargs)
    return result


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = NONE,
) -> Tensor:
    """``nn.functional.binary_cross_entropy_with_logits``."""
    return _run(
        "binary_cross_entropy_with_logits",
        input,
        target,
        weight=weight,
        pos_weight=pos_weight,
        reduction=reduction,
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = NONE
) -> Tensor:
    """``nn.functional.cosine_embedding_loss``."""
    return _run("cosine_embedding_loss", input1, input2, target, margin, reduction=reduction)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: int = NONE,
    zero_infinity: bool = False,
) -> Tensor:
    """``nn.functional.ctc_loss``."""
    return _run(
        "ctc_loss",
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        reduction=reduction,
        zero_infinity=zero_infinity,
    )


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = NONE) -> Tensor:
    """``nn.functional.hinge_embedding_loss``."""
    return _run("hinge_embedding_loss", input, target, margin, reduction=reduction)


def kl_div(input: Tensor, target: Tensor, reduction: int = NONE, *, log_target: bool = False) -> Tensor:
    """``nn.functional.kl_div``."""
    return _run("kl_div", input, target, reduction=reduction, log_target=log_target)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = NONE
) -> Tensor:
    """``nn.functional.margin_ranking_loss``."""
    return _run("margin_ranking_loss", input1, input2, target, margin, reduction=reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """``nn.functional.poisson_nll_loss``; here nothing has a default."""
    return _run("poisson_nll_loss", input, target, log_input, full, eps=eps, reduction=reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = NONE,
) -> Tensor:
    """``nn.functional.triplet_margin_loss``."""
    return _run("triplet_margin_loss", anchor, positive, negative, margin, p, eps, swap, reduction=reduction)
