"""segment_reduce against loops over the segments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import gradcheck, gradgradcheck

REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(0),
    "mean": lambda x: x.mean(0) if len(x) else np.full(x.shape[1:], math.nan),
    "max": lambda x: x.max(0, initial=-math.inf),
    "min": lambda x: x.min(0, initial=math.inf),
    "prod": lambda x: x.prod(0),
}
CASES: list[tuple[tuple[int, ...], Any]] = [
    ((5,), [0, 1, 2, 2]),
    ((5,), [2, 0, 3, 0]),
    ((5, 3), [5]),
    ((5, 2, 3), [1, 4]),
    ((3, 5), [[0, 1, 2, 2], [3, 0, 2, 0], [1, 1, 1, 2]]),
    ((2, 5, 3), [[2, 3], [5, 0]]),
]


def expected(data: Any, reduce: str, lengths: Any) -> Any:
    if np.ndim(lengths) > 1:
        return np.stack([expected(row, reduce, each) for row, each in zip(data, lengths, strict=True)])
    ends = np.cumsum(lengths)
    pieces = [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return np.stack([REDUCTIONS[reduce](piece) for piece in pieces])


@pytest.mark.parametrize("reduce", sorted(REDUCTIONS))
@pytest.mark.parametrize(("shape", "lengths"), CASES)
@pytest.mark.parametrize("dtype", [us.float32, us.float64])
def test_each_segment_is_reduced(shape: tuple[int, ...], lengths: Any, reduce: str, dtype: Any) -> None:
    us.manual_seed(0)
    data, axis = us.randn(shape, dtype=dtype), np.ndim(lengths) - 1
    counts = us.tensor(lengths)
    found = us.segment_reduce(data, reduce, lengths=counts, axis=axis)
    assert found.dtype == dtype
    tolerance = 1e-6 if dtype == us.float32 else 1e-14
    np.testing.assert_allclose(found.numpy(), expected(data.numpy(), reduce, lengths), rtol=tolerance)
    ends = us.cat([us.zeros_like(counts[..., :1]), counts], -1).cumsum(-1)
    assert us.equal(
        us.segment_reduce(data, reduce, offsets=ends.int(), axis=axis).nan_to_num(), found.nan_to_num()
    )
    strided = us.stack([data, data], -1)[..., 0]
    assert us.equal(
        us.segment_reduce(strided, reduce, lengths=counts, axis=axis).nan_to_num(), found.nan_to_num()
    )


@pytest.mark.parametrize("reduce", sorted(REDUCTIONS))
def test_derivatives_of_both_orders(reduce: str) -> None:
    us.manual_seed(1)
    data = us.randn(3, 5, 2, dtype=us.float64, requires_grad=True)
    lengths = us.tensor([[0, 1, 2, 2], [3, 0, 2, 0], [1, 1, 1, 2]])

    def function(x: us.Tensor) -> us.Tensor:
        return us.segment_reduce(x, reduce, lengths=lengths, axis=1, initial=1)

    assert gradcheck(function, data)
    assert gradgradcheck(function, data)


def test_equal_extrema_share_the_gradient() -> None:
    data = us.tensor([1.0, 3.0, 3.0, 2.0], requires_grad=True)
    us.segment_reduce(data, "max", lengths=us.tensor([3, 1])).sum().backward()
    assert data.grad is not None
    assert data.grad.tolist() == [0, 0.5, 0.5, 1]


def test_a_reduction_starts_from_its_initial_value() -> None:
    data, lengths = us.tensor([1.0, 2.0, 4.0]), us.tensor([3, 0])
    found = {
        reduce: us.segment_reduce(data, reduce, lengths=lengths, initial=2).tolist() for reduce in REDUCTIONS
    }
    assert found == {"sum": [9, 2], "mean": [3, 2], "max": [4, 2], "min": [1, 2], "prod": [16, 2]}
    nan = us.tensor([1.0, math.nan])
    for reduce in REDUCTIONS:
        assert us.segment_reduce(nan, reduce, lengths=us.tensor([2])).isnan().all()


def test_what_lies_behind_the_last_segment_is_left_out() -> None:
    data, lengths = us.arange(5.0).requires_grad_(), us.tensor([1, 2])
    total = us.segment_reduce(data, "sum", lengths=lengths, unsafe=True)
    assert total.tolist() == [0, 3]
    total.sum().backward()
    assert data.grad is not None
    assert data.grad.tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: us.segment_reduce(x, "median", lengths=us.tensor([4])), "reduce must be one of"),
        (lambda x: us.segment_reduce(x, "sum"), "either lengths or offsets"),
        (lambda x: us.segment_reduce(x, "sum", indices=us.tensor([0])), "indices"),
        (lambda x: us.segment_reduce(x, "sum", lengths=us.tensor([1, 2])), "must sum to 4"),
        (lambda x: us.segment_reduce(x, "sum", lengths=us.tensor([5]), unsafe=True), "must sum to 4"),
        (lambda x: us.segment_reduce(x, "sum", lengths=us.tensor([5, -1])), "negative length"),
        (lambda x: us.segment_reduce(x, "sum", lengths=us.tensor([4.0])), "int64 or int32"),
        (lambda x: us.segment_reduce(x, "sum", lengths=us.tensor([[4]])), "divide dimension"),
        (lambda x: us.segment_reduce(x, "sum", offsets=us.tensor([1, 4])), "begin with 0"),
        (lambda x: us.segment_reduce(x[:0], "sum", lengths=us.tensor([0])), "must have elements"),
        (lambda x: us.segment_reduce(x.long(), "sum", lengths=us.tensor([4])), "floating dtype"),
    ],
)
def test_arguments_must_fit(call: Callable[[us.Tensor], us.Tensor], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call(us.ones(4))
