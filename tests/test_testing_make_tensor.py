"""testing.make_tensor: ranges, layouts, gradients and refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest

import unspool as us
from unspool.testing import make_tensor

INTEGERS = (us.int8, us.int16, us.int32, us.int64, us.uint8)
FLOATS = (us.float16, us.bfloat16, us.float32, us.float64)


@pytest.mark.parametrize("dtype", [us.bool, *INTEGERS, *FLOATS])
def test_numbers_lie_in_the_usual_range(dtype: Any) -> None:
    us.manual_seed(0)
    made = make_tensor((40, 50), dtype=dtype, device="cpu")
    assert (made.dtype, made.shape, made.is_contiguous()) == (dtype, (40, 50), True)
    found = made.double() if dtype in FLOATS else made.long()
    low, high = {us.bool: (0, 1), us.uint8: (0, 9)}.get(dtype, (-9, 9))
    assert low <= found.min().item() < low + 1
    assert high - 1 < found.max().item() <= high


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_shapes_are_one_sequence_or_several_sizes(shape: tuple[int, ...]) -> None:
    for made in (
        make_tensor(*shape, dtype=us.float32, device="cpu"),
        make_tensor(shape, dtype=us.float32, device="cpu", memory_format=us.contiguous_format),
        make_tensor(list(shape), dtype=us.float32, device="cpu", noncontiguous=True, requires_grad=True),
    ):
        assert made.shape == shape
        assert made.is_leaf
    assert made.requires_grad
    assert made.is_contiguous() == (math.prod(shape) < 2)


def test_ranges_are_brought_to_what_the_dtype_holds() -> None:
    assert make_tensor(200, dtype=us.int8, device="cpu", low=126, high=1000).unique().tolist() == [126, 127]
    assert make_tensor(200, dtype=us.uint8, device="cpu", low=-5, high=2).unique().tolist() == [0, 1]
    assert make_tensor(200, dtype=us.int32, device="cpu", low=0.5, high=2.5).unique().tolist() == [1, 2]
    large = us.iinfo(us.int64).max
    assert make_tensor(3, dtype=us.int64, device="cpu", low=large - 1, high=large).tolist() == [large - 1] * 3
    for dtype in FLOATS:
        wide = make_tensor(500, dtype=dtype, device="cpu", low=-math.inf, high=math.inf)
        assert wide.isfinite().all()
        assert wide.abs().max().item() > us.finfo(dtype).max / 2


def test_zeros_can_be_excluded() -> None:
    assert (
        make_tensor(300, dtype=us.int64, device="cpu", low=-1, high=2, exclude_zero=True).abs().min().item()
        == 1
    )
    assert make_tensor(300, dtype=us.bool, device="cpu", exclude_zero=True).all()
    with pytest.warns(FutureWarning, match="full"):
        made = make_tensor(3, dtype=us.float32, device="cpu", low=0, high=0, exclude_zero=True)
    assert made.tolist() == [us.finfo(us.float32).tiny] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": us.int64, "requires_grad": True}, "floating dtype"),
        ({"dtype": us.float32, "low": 2, "high": 1}, "below high"),
        ({"dtype": us.int64, "low": 2, "high": 2}, "below high"),
        ({"dtype": us.float32, "low": math.nan}, "must be numbers"),
        ({"dtype": us.int8, "low": 200, "high": 300}, "no number from"),
        ({"dtype": us.float32, "noncontiguous": True, "memory_format": us.contiguous_format}, "exclude"),
    ],
)
def test_impossible_calls_raise(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_tensor(3, device="cpu", **options)
