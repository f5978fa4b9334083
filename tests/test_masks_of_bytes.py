"""Conditions of ``where`` that are bytes: not zero holds, as for bool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import gradcheck, gradgradcheck

BYTES = us.tensor([[0, 1, 2], [255, 0, 128]], dtype=us.uint8)
HOLDS = BYTES.numpy() != 0


@pytest.mark.parametrize("dtype", [us.float32, us.float64, us.int64, us.float16, us.bool, us.uint8])
def test_a_condition_of_bytes_is_one_of_truth_values(dtype: us.dtype) -> None:
    x = us.tensor([[1, 0, 3], [4, 5, 0]]).to(dtype)
    y = us.tensor([7, 0, 1]).to(dtype)
    expected = us.where(BYTES != 0, x, y)
    for found in (us.where(BYTES, x, y), x.where(BYTES, y)):
        assert found.dtype is dtype
        assert found.tolist() == expected.tolist() == np.where(HOLDS, x.numpy(), y.numpy()).tolist()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (BYTES, np.where(HOLDS, 1.5, 2.5)),
        (BYTES.t(), np.where(HOLDS.T, 1.5, 2.5)),
        (BYTES[0, 2], np.asarray(1.5)),
        (BYTES[:0], np.zeros((0, 3))),
        (BYTES[:, :1].expand(2, 4), np.where(HOLDS[:, :1].repeat(4, 1), 1.5, 2.5)),
    ],
)
def test_the_bytes_may_be_views(condition: us.Tensor, expected: Any) -> None:
    found = us.where(condition, us.tensor(1.5), 2.5)
    assert found.shape == expected.shape
    assert found.tolist() == expected.tolist()


def test_both_choices_have_derivatives() -> None:
    rng = np.random.default_rng(5)
    x, y = (us.tensor(rng.normal(size=(2, 3)), requires_grad=True) for _ in range(2))
    function = lambda x, y: us.where(BYTES, x * x, y.exp())  # noqa: E731
    assert gradcheck(function, (x, y))
    assert gradgradcheck(function, (x, y))


def test_a_captured_step_may_choose_by_bytes() -> None:
    step = us.compile(lambda x: us.where(BYTES, x * 2, -x))
    for _ in range(3):
        x = us.randn(2, 3)
        assert step(x).tolist() == us.where(BYTES != 0, x * 2, -x).tolist()


@pytest.mark.parametrize("dtype", [us.int8, us.int32, us.int64, us.float32])
def test_other_numbers_are_no_conditions(dtype: us.dtype) -> None:
    with pytest.raises(RuntimeError, match="condition must be bool"):
        us.where(BYTES.to(dtype), 1.0, 2.0)
