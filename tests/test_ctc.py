"""ctc_loss against the sum over all alignments, written out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unspool as us
from unspool import nn
from unspool.nn import functional as F

Array = npt.NDArray[Any]

STEPS, SAMPLES, CLASSES = 4, 3, 3
TARGETS = np.array([[1, 2], [1, 1], [2, 0]])
LENGTHS = np.array([2, 2, 1])
STEP_COUNTS = np.array([4, 3, 4])


def scores() -> Array:
    return np.asarray(np.random.default_rng(0).standard_normal((STEPS, SAMPLES, CLASSES)))


def collapsed(path: tuple[int, ...]) -> list[int]:
    """Repetitions merged, then blanks (0) removed."""
    return [c for c, _ in itertools.groupby(path) if c != 0]


def by_enumeration(x: Array, lengths: Array = LENGTHS, steps: Array = STEP_COUNTS) -> Array:
    """-log of the summed probability of all paths that collapse to the target."""
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    losses = []
    for n in range(x.shape[1]):
        label = list(TARGETS[n, : lengths[n]])
        paths = itertools.product(range(CLASSES), repeat=int(steps[n]))
        chances = [
            np.prod([p[t, n, c] for t, c in enumerate(path)]) for path in paths if collapsed(path) == label
        ]
        with np.errstate(divide="ignore"):
            losses.append(-np.log(np.sum(chances)))
    return np.array(losses)


def loss_of(x: Any, **options: Any) -> Any:
    given = {
        "input_lengths": us.from_numpy(STEP_COUNTS.copy()),
        "target_lengths": us.from_numpy(LENGTHS.copy()),
    }
    given.update(options)
    return F.ctc_loss(F.log_softmax(x, -1), us.from_numpy(TARGETS.copy()), **given)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_sums_over_all_alignments(dtype: str) -> None:
    x = us.from_numpy(scores().astype(dtype))
    expected = by_enumeration(scores())
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(loss_of(x, reduction="none").numpy(), expected, rtol=tolerance)
    np.testing.assert_allclose(loss_of(x, reduction="sum").item(), expected.sum(), rtol=tolerance)
    np.testing.assert_allclose(loss_of(x).item(), (expected / LENGTHS).mean(), rtol=tolerance)


def test_the_gradient_is_its_slope() -> None:
    x = us.from_numpy(scores()).requires_grad_()
    weights = np.array([0.5, -1.0, 2.0])
    (loss_of(x, reduction="none") * us.from_numpy(weights)).sum().backward()
    direction = np.random.default_rng(1).standard_normal(x.shape)
    step = 1e-5
    ends = [(weights * by_enumeration(scores() + s * direction)).sum() for s in (step, -step)]
    np.testing.assert_allclose(
        (x.grad.numpy() * direction).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-8
    )
    assert x.grad[3, 1].abs().sum().item() == 0  # behind the sample's last step


def test_targets_and_lengths_come_in_several_forms() -> None:
    x = us.from_numpy(scores())
    expected = loss_of(x, reduction="none").numpy()
    flat = us.tensor([1, 2, 1, 1, 2], dtype=us.int32)
    result = F.ctc_loss(
        F.log_softmax(x, -1), flat, STEP_COUNTS.tolist(), tuple(LENGTHS.tolist()), reduction="none"
    )
    np.testing.assert_array_equal(result.numpy(), expected)
    alone = F.ctc_loss(
        F.log_softmax(x[:, 0], -1), us.tensor([1, 2]), us.tensor(4), us.tensor(2), reduction="none"
    )
    np.testing.assert_array_equal(alone.numpy(), expected[0])
    module = nn.CTCLoss(reduction="sum")
    targets = us.from_numpy(TARGETS.copy())
    total = module(F.log_softmax(x, -1), targets, STEP_COUNTS.tolist(), LENGTHS.tolist())
    np.testing.assert_allclose(total.item(), expected.sum())


def test_impossible_targets_cost_infinity_or_nothing() -> None:
    steps = np.array([1, 3, 4])
    assert by_enumeration(scores(), steps=steps)[0] == np.inf
    for zero, expected in ((False, np.inf), (True, 0.0)):
        x = us.from_numpy(scores()).requires_grad_()
        losses = loss_of(x, input_lengths=us.from_numpy(steps), reduction="none", zero_infinity=zero)
        assert losses[0].item() == expected
        losses.sum().backward()
        assert bool(x.grad[:, 0].isnan().any()) != zero
        assert x.grad[:, 1:].isfinite().all()


def test_empty_targets_and_empty_inputs_have_a_likelihood() -> None:
    lengths, steps = np.array([0, 0, 1]), np.array([3, 0, 0])
    x = us.from_numpy(scores()).requires_grad_()
    losses = loss_of(
        x, input_lengths=us.from_numpy(steps), target_lengths=us.from_numpy(lengths), reduction="none"
    )
    np.testing.assert_allclose(losses.detach().numpy(), by_enumeration(scores(), lengths, steps), rtol=1e-12)


def test_the_second_derivative_is_refused_by_name() -> None:
    x = us.from_numpy(scores()).requires_grad_()
    (first,) = us.autograd.grad(loss_of(x), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="ctc_loss"):
        first.square().sum().backward()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"reduction": "average"}, ValueError, "average"),
        ({"blank": 3}, RuntimeError, "blank"),
        ({"input_lengths": [5, 3, 4]}, RuntimeError, "input length"),
        ({"input_lengths": [4, 3]}, RuntimeError, "batch_size"),
        ({"target_lengths": [3, 1, 1]}, RuntimeError, "target_lengths"),
        ({"target_lengths": [-1, 1, 1]}, RuntimeError, "target length"),
        ({"target_lengths": us.ones(3)}, RuntimeError, "integral"),
    ],
)
def test_bad_calls_are_refused(options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        loss_of(us.from_numpy(scores()), **options)


def test_a_class_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match="7"):
        F.ctc_loss(us.zeros(4, 1, 3), us.tensor([[7, 1]]), [4], [2])
    with pytest.raises(RuntimeError, match="shape"):
        F.ctc_loss(us.zeros(4), us.tensor([[1, 1]]), [4], [2])
