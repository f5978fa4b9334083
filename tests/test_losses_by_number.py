"""Losses at the top level, whose reduction is a number, and targets that are no probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F

A = us.tensor([[-1.0, 0.5, 2.0], [0.3, 0.4, -0.2]])
B = us.tensor([[1.0, 1.0, -1.0], [0.1, 0.2, 0.3]])
SIDES = us.tensor([1.0, -1.0])
LOG_PROBABILITIES = F.log_softmax(A.reshape(2, 1, 3), -1)

LOSSES: dict[str, tuple[Any, ...]] = {
    "binary_cross_entropy_with_logits": (A, B.sigmoid()),
    "cosine_embedding_loss": (A, B, SIDES, 0.1),
    "ctc_loss": (LOG_PROBABILITIES, us.tensor([[1]]), [2], [1]),
    "hinge_embedding_loss": (A, B.sign(), 0.5),
    "kl_div": (A, B.sigmoid()),
    "margin_ranking_loss": (A, B, B.sign(), 0.2),
    "poisson_nll_loss": (A, B, True, False),
    "triplet_margin_loss": (A, B, 2 * B, 0.7),
}


@pytest.mark.parametrize("name", LOSSES)
def test_top_level_losses_number_their_reductions(name: str) -> None:
    loss, named = getattr(us, name), getattr(F, name)
    given = {"eps": 1e-8} if name == "poisson_nll_loss" else {}
    for number, word in enumerate(("none", "mean", "sum")):
        here = loss(*LOSSES[name], **given, reduction=number)
        assert us.equal(here, named(*LOSSES[name], reduction=word, **given))
    if not given:
        assert us.equal(loss(*LOSSES[name]), loss(*LOSSES[name], reduction=0))
    for wrong in ("mean", 1.0, True, None):
        with pytest.raises(TypeError, match=f"{name}.*argument 'reduction' must be int, not"):
            loss(*LOSSES[name], **given, reduction=wrong)
    with pytest.raises(ValueError, match=r"reduction must be 0 \(none\), 1 \(mean\) or 2 \(sum\), got 3"):
        loss(*LOSSES[name], **given, reduction=3)


CALLS: dict[str, tuple[Callable[[], us.Tensor], Callable[[], us.Tensor]]] = {
    "logits, weights by position": (
        lambda: us.binary_cross_entropy_with_logits(A, B, us.tensor(2.0), us.tensor([1.0, 2.0, 3.0]), 2),
        lambda: F.binary_cross_entropy_with_logits(
            A, B, us.tensor(2.0), pos_weight=us.tensor([1.0, 2.0, 3.0]), reduction="sum"
        ),
    ),
    "logarithms of the target": (
        lambda: us.kl_div(A, B, 1, log_target=True),
        lambda: F.kl_div(A, B, log_target=True),
    ),
    "alignments": (
        lambda: us.ctc_loss(LOG_PROBABILITIES, us.tensor([[1]]), [2], [1], 2, 2, True),
        lambda: F.ctc_loss(LOG_PROBABILITIES, us.tensor([[1]]), [2], [1], 2, "sum", True),
    ),
    "counts": (
        lambda: us.poisson_nll_loss(A.exp(), B.abs(), False, True, 1e-6, 1),
        lambda: F.poisson_nll_loss(A.exp(), B.abs(), log_input=False, full=True, eps=1e-6),
    ),
    "swapped triplets": (
        lambda: us.triplet_margin_loss(A, B, 2 * B, 1.0, 1.0, 1e-5, True, 1),
        lambda: F.triplet_margin_loss(A, B, 2 * B, 1.0, 1.0, 1e-5, swap=True),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_arguments_have_the_places_of_the_top_level(name: str) -> None:
    here, named = CALLS[name]
    assert us.equal(here(), named())


def test_the_loss_of_counts_has_no_defaults_at_the_top_level() -> None:
    with pytest.raises(TypeError, match="missing"):
        us.poisson_nll_loss(A, B, True, False, 1e-8)  # type: ignore[call-arg]


@pytest.mark.parametrize("dtype", [us.float32, us.float64, us.bfloat16])
@pytest.mark.parametrize("wrong", [-0.1, 1.2, math.inf, -math.inf, math.nan])
def test_targets_of_binary_cross_entropy_are_probabilities(wrong: float, dtype: us.dtype) -> None:
    x = us.full((2000,), 0.3, dtype=dtype)
    bad = x.clone()
    bad[1500] = wrong
    with pytest.raises(RuntimeError, match=r"elements of target should be between 0 and 1; .* element 1500"):
        F.binary_cross_entropy(x, bad)
    with pytest.raises(RuntimeError, match=r"elements of input should be between 0 and 1; .* element 1500"):
        F.binary_cross_entropy(bad, x)
    with pytest.raises(RuntimeError, match="elements of input should be"):
        F.binary_cross_entropy(bad, bad)
    # Logits take any target, as PyTorch's do.
    F.binary_cross_entropy_with_logits(x, bad)


def test_ends_of_the_range_are_probabilities_and_a_replay_looks_too() -> None:
    ends = us.tensor([0.0, 1.0])
    assert F.binary_cross_entropy(ends, ends).item() == 0.0

    @us.compile
    def step(x: us.Tensor, t: us.Tensor) -> us.Tensor:
        return F.binary_cross_entropy(x, t)

    for _ in range(3):
        step(us.tensor([0.2, 0.8]), ends)
    with pytest.raises(RuntimeError, match="all elements of target should be between 0 and 1"):
        step(us.tensor([0.2, 0.8]), 2 * ends)
