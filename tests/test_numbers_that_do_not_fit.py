"""Numbers that an integer dtype cannot hold are refused where they would become elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F

Write = Callable[[Any, Any], Any]


def assigned(x: us.Tensor, value: Any) -> us.Tensor:
    x[0] = value
    return x


WRITES: dict[str, Write] = {
    "fill": us.fill,
    "fill_": lambda x, v: x.fill_(v),
    "assignment": assigned,
    "full": lambda x, v: us.full((2,), v, dtype=x.dtype),
    "full_like": us.full_like,
    "new_full": lambda x, v: x.new_full((2,), v),
    "where": lambda x, v: us.where(x == 0, x, v),
    "masked_fill": lambda x, v: x.masked_fill(x == 0, v),
    "masked_fill_": lambda x, v: x.masked_fill_(x == 0, v),
    "index_fill": lambda x, v: x.index_fill(0, us.tensor([0]), v),
    "scatter": lambda x, v: x.scatter(0, us.tensor([0]), v),
    "scatter_": lambda x, v: x.scatter_(0, us.tensor([0]), v),
    "pad": lambda x, v: F.pad(x, (1, 1), value=v),
    "clamp": lambda x, v: x.clamp(max=v),
    "clamp_": lambda x, v: x.clamp_(min=v),
}
TOO_LARGE = {us.uint8: 256, us.int8: 128, us.int16: 2**15, us.int32: 2**31}


@pytest.mark.parametrize("dtype", TOO_LARGE, ids=str)
@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_integers_outside_of_the_dtype_are_refused(write: Write, dtype: us.dtype) -> None:
    value = TOO_LARGE[dtype]
    with pytest.raises(RuntimeError, match=f"does not fit into {dtype.__name__}"):
        write(us.zeros(3, dtype=dtype), value)
    with pytest.raises(RuntimeError, match="does not fit"):
        write(us.zeros(3, dtype=dtype), -value - 1)
    write(us.zeros(3, dtype=dtype), value - 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, -1e30])
@pytest.mark.parametrize("write", [us.full_like, us.fill, WRITES["assignment"], WRITES["fill_"]])
def test_floating_numbers_outside_of_the_dtype_are_refused(write: Write, value: float) -> None:
    for dtype in (us.int32, us.int64):
        with pytest.raises(RuntimeError, match=f"does not fit into {dtype.__name__}"):
            write(us.zeros(3, dtype=dtype), value)


def test_what_fits_is_written_as_ever() -> None:
    assert us.full((1,), -1, dtype=us.uint8).item() == 255  # counted from 2^8, as in PyTorch
    assert us.full((1,), 1.7, dtype=us.int64).item() == 1
    assert us.full((1,), 2**63 - 1, dtype=us.int64).item() == 2**63 - 1
    assert us.full((1,), -(2**63), dtype=us.int64).item() == -(2**63)
    assert us.full((2,), float("nan"), dtype=us.bool).all()
    assert us.full((1,), 1e10, dtype=us.float16).item() == float("inf")
    assert (us.zeros(2, dtype=us.uint8) + 300).tolist() == [44, 44]  # sums wrap around
