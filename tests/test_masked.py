"""Masked reductions: the same as the plain ones over the elements that count."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import masked
from unspool.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 6))
MASK = RNG.uniform(size=(4, 6)) < 0.6
MASK[1] = True
MASK[2, :] = False
MASK[2, 4] = True


def rows(function: Callable[[Any], Any]) -> Any:
    return [function(row[keep]) for row, keep in zip(X, MASK, strict=True)]


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("sum", (), np.sum),
        ("prod", (), np.prod),
        ("amax", (), np.max),
        ("amin", (), np.min),
        ("mean", (), np.mean),
        ("median", (), lambda row: np.sort(row)[(len(row) - 1) // 2]),
        ("logsumexp", (), lambda row: np.log(np.exp(row).sum())),
        ("var", (), lambda row: row.var(ddof=1) if len(row) > 1 else math.nan),
        ("std", (False,), np.std),
    ],
)
def test_reductions_are_those_of_what_counts(name: str, args: Any, expected: Callable[[Any], Any]) -> None:
    x, mask = us.tensor(X), us.tensor(MASK)
    found = getattr(masked, name)(x, 1, *args, mask=mask)
    np.testing.assert_allclose(found.numpy(), rows(expected), rtol=1e-12)
    kept = getattr(masked, name)(x, -1, *args, keepdim=True, mask=mask)
    np.testing.assert_array_equal(kept.numpy(), found.numpy()[:, None])
    if name != "median":
        over_all = getattr(masked, name)(x, None, *args, mask=mask)
        is_var = name == "var"
        np.testing.assert_allclose(
            float(over_all), X[MASK].var(ddof=1) if is_var else expected(X[MASK]), rtol=1e-12
        )
        np.testing.assert_allclose(
            float(getattr(masked, name)(x, (0, 1), *args)),
            X.var(ddof=1) if is_var else expected(X.ravel()),
            rtol=1e-12,
        )


@pytest.mark.parametrize("order", [2, 1, 0.5, 0, -1, math.inf, -math.inf])
def test_norms(order: float) -> None:
    expected = rows(lambda row: np.linalg.norm(row, order))
    found = masked.norm(us.tensor(X), order, 1, mask=us.tensor(MASK))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_places_of_the_largest_and_smallest() -> None:
    x, mask = us.tensor(X), us.tensor(MASK)
    least = np.where(MASK, X, np.inf)
    most = np.where(MASK, X, -np.inf)
    assert masked.argmax(x, 1, mask=mask).tolist() == most.argmax(1).tolist()
    assert masked.argmin(x, 1, mask=mask).tolist() == least.argmin(1).tolist()
    assert int(masked.argmax(x, mask=mask)) == most.argmax()
    numbers = us.tensor([3, -5, 4])
    assert int(masked.argmin(numbers, mask=us.tensor([True, False, True]))) == 0
    assert int(masked.amax(numbers, mask=us.tensor([True, True, False]))) == 3
    assert bool(masked.amin(us.tensor([False, True]), mask=us.tensor([False, True])))


def test_running_and_normalizing() -> None:
    x, mask = us.tensor(X), us.tensor(MASK)
    np.testing.assert_allclose(masked.cumsum(x, 1, mask=mask).numpy(), np.where(MASK, X, 0).cumsum(1))
    np.testing.assert_allclose(masked.cumprod(x, 1, mask=mask).numpy(), np.where(MASK, X, 1).cumprod(1))
    weights = np.where(MASK, np.exp(X), 0)
    shares = weights / weights.sum(1, keepdims=True)
    np.testing.assert_allclose(masked.softmax(x, 1, mask=mask).numpy(), shares)
    np.testing.assert_allclose(masked.log_softmax(x, 1, mask=mask).exp().numpy(), shares)
    np.testing.assert_allclose(masked.softmin(-x, 1, mask=mask).numpy(), shares)
    kept = np.where(MASK, X, 0)
    lengths = np.sqrt((kept**2).sum(1, keepdims=True))
    np.testing.assert_allclose(masked.normalize(x, 2.0, 1, mask=mask).numpy(), kept / lengths)
    both = masked.logaddexp(x, x, input_mask=mask, other_mask=us.tensor([True] * 6)).numpy()
    np.testing.assert_allclose(both, np.where(MASK, X + math.log(2), X))


def test_where_nothing_counts() -> None:
    x, nothing = us.ones(3), us.zeros(3, dtype=us.bool)
    assert float(masked.sum(x, mask=nothing)) == 0
    assert float(masked.prod(x, mask=nothing)) == 1
    assert float(masked.amax(x, mask=nothing)) == -math.inf
    for function in (masked.mean, masked.var):
        assert math.isnan(float(function(x, mask=nothing)))
    assert math.isnan(float(masked.median(x, 0, mask=nothing)))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "norm", "logsumexp", "softmax", "normalize"])
def test_gradients_reach_what_counts_only(name: str) -> None:
    x, mask = us.tensor(X[:2], requires_grad=True), us.tensor(MASK[:2])
    args = {"norm": (2.0, 1), "normalize": (2.0, 1)}.get(name, (1,))
    function = lambda x: getattr(masked, name)(x, *args, mask=mask)  # noqa: E731
    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))
    (grad,) = us.autograd.grad(function(x).square().sum(), x)
    assert not bool(grad[us.logical_not(mask)].any())


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: masked.sum([1.0]), TypeError),  # type: ignore[arg-type]
        (lambda: masked.sum(us.ones(2), mask=us.ones(2)), TypeError),
        (lambda: masked.sum(us.ones(2), mask=us.ones(3, dtype=us.bool)), ValueError),
        (lambda: masked.var(us.ones(2), unbiased=True, correction=1), ValueError),
    ],
)
def test_bad_calls_raise(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"masked\."):
        call()
