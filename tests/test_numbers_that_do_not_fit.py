"""Numbers that an integer dtype cannot hold are refused where they would become elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
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
# Numbers that are no elements, but are used as if they were.
WRITES |= {
    "linspace": lambda x, v: us.linspace(0, v, 3, dtype=x.dtype),
    "linspace of one": lambda x, v: us.linspace(v, v, 1, dtype=x.dtype),
    "tensor": lambda x, v: us.tensor([v], dtype=x.dtype),
    "threshold": lambda x, v: F.threshold(x, 1, v),
    "add's alpha": lambda x, v: us.add(x, x, alpha=v),
    "sub's alpha": lambda x, v: us.sub(x, 1, alpha=v),
    "addcmul's value": lambda x, v: us.addcmul(x, x, x, value=v),
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


@pytest.mark.parametrize("dtype", TOO_LARGE, ids=str)
def test_exponents_and_bounds_of_draws_are_held_by_the_dtype(dtype: us.dtype) -> None:
    x, limit = us.ones(2, dtype=dtype), TOO_LARGE[dtype]
    for power in (limit, -limit - 1):
        with pytest.raises(RuntimeError, match="does not fit into"):
            x**power
        with pytest.raises(RuntimeError, match="does not fit into"):
            x.pow_(power)
    assert (x ** (limit - 1)).tolist() == [1, 1]
    for draw in (
        lambda high: us.randint(high, (2,), dtype=dtype),
        lambda high: us.randint_like(x, high),
        lambda high: x.random_(0, high),
    ):
        draw(limit)
        with pytest.raises(RuntimeError, match=f"{dtype.__name__} holds .* not {limit}"):
            draw(limit + 1)
    with pytest.raises(RuntimeError, match="bool holds 0 to 1, not 2"):
        us.randint(3, (2,), dtype=us.bool)


def test_negative_ends_of_unsigned_lines_count_from_the_largest_number() -> None:
    assert us.linspace(0, -5, 3, dtype=us.uint8).tolist() == [0, 125, 251]
    assert us.linspace(-128, 127, 5, dtype=us.int8).tolist() == [-128, -64, 0, 63, 127]


def test_factors_of_integers_are_whole() -> None:
    x = us.arange(3)
    factors: list[Any] = [2.5, 2.0, np.float64(2), us.tensor(2.0)]
    for factor in factors:
        for call in (us.add, us.sub, us.rsub):
            with pytest.raises(RuntimeError, match=r"alpha must not be a floating number .* write an int"):
                call(x, x, alpha=factor)
        with pytest.raises(RuntimeError, match="sub_: alpha must not be a floating number"):
            x.sub_(1, alpha=factor)
        with pytest.raises(RuntimeError, match=r"addr: beta is floating, .*int64, .*int64, .*int64"):
            us.addr(us.ones(3, 3, dtype=us.int64), x, x, beta=factor)
    assert us.add(x, x, alpha=-2).tolist() == [0, -1, -2]
    assert us.add(x, x, alpha=np.int64(-2)).tolist() == [0, -1, -2]
    assert us.add(x, x.float(), alpha=2.0).tolist() == [0.0, 3.0, 6.0]
    assert us.add(x, 1.5, alpha=2.0).tolist() == [3.0, 4.0, 5.0]


def test_factors_of_integer_products_are_cut_and_must_fit() -> None:
    one, x = us.eye(2, dtype=us.int64), us.arange(2)
    assert us.addmv(x, one, x, alpha=2.5).tolist() == [0, 3]
    calls: list[Callable[[float], us.Tensor]] = [
        lambda factor: us.addmm(one, one, one, alpha=factor),
        lambda factor: us.addmm(one, one, one, beta=factor),
        lambda factor: us.index_add(x, 0, us.tensor([0]), x[:1], alpha=factor),
    ]
    for call in calls:
        for factor in (math.inf, math.nan, 1e30):
            with pytest.raises(RuntimeError, match="does not fit into int64"):
                call(factor)


@pytest.mark.parametrize("x", [us.tensor([3, 4]), us.tensor([3.0, 4.0])], ids=["integers", "floats"])
def test_bools_scale_masks_only_and_are_not_subtracted(x: us.Tensor) -> None:
    for call in (us.add, us.sub, us.rsub):
        with pytest.raises(RuntimeError, match="alpha is a bool, which scales only bool tensors"):
            call(x, x, alpha=True)
    with pytest.raises(RuntimeError, match="addr: alpha is a bool"):
        us.addr(x[0], x, x, alpha=True)
    mask = us.tensor([True, False])
    assert us.add(mask, mask, alpha=True).tolist() == [True, False]
    calls: list[Callable[[], us.Tensor]] = [
        lambda: x - True,
        lambda: False - x,
        lambda: x.clone().sub_(True),
        lambda: us.rsub(x, True),
    ]
    for take in calls:
        with pytest.raises(RuntimeError, match=r"not defined for bool tensors or bools .*(True|False)"):
            take()
    # What NumPy compares gives its own bools, which count.
    assert (x - np.bool_(True)).tolist() == [2, 3]
    assert (np.bool_(True) - x).tolist() == [-2, -3]
    assert (x + True).tolist() == [4, 5]
    assert (x * True).tolist() == [3, 4]


def test_masked_fill_writes_the_whole_part_into_integers() -> None:
    x = us.arange(3)
    assert x.masked_fill(x == 1, 2.7).tolist() == [0, 2, 2]
    assert x.masked_fill_(x == 1, us.tensor(-2.7)).tolist() == [0, -2, 2]


def test_shifted_numbers_are_brought_to_the_dtype() -> None:
    x = us.tensor([2, 3, 4], dtype=us.uint8)
    assert (300 << x).tolist() == [176, 96, 192]
    assert (300 >> x).tolist() == [11, 5, 2]
    with pytest.raises(RuntimeError, match="not defined for float32"):
        2.5 << x


def test_what_a_dtype_does_not_hold_is_not_in_it() -> None:
    x = us.tensor([2, 44], dtype=us.uint8)
    assert us.isin(x, 300).tolist() == [False, False]
    assert us.isin(x, 300, invert=True).tolist() == [True, True]
    assert not us.isin(300, x)


def test_masks_are_not_subtracted() -> None:
    mask = us.tensor([True, False])
    for call in (lambda: 1 - mask, lambda: mask - 1, lambda: us.ones(2) - mask, lambda: us.rsub(mask, 2.5)):
        with pytest.raises(RuntimeError, match=r"not defined for bool tensors .* use ~ or logical_not"):
            call()


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


def test_exponents_of_logspace_fit() -> None:
    with pytest.raises(RuntimeError, match=r"logspace: start 0.0 and end 300.0 must fit into .*uint8"):
        us.logspace(0, 300, 3, base=1, dtype=us.uint8)
    assert us.logspace(0, 7, 2, base=2, dtype=us.uint8).tolist() == [1, 128]


def test_bounds_of_hardtanh_fit() -> None:
    with pytest.raises(RuntimeError, match="max_val 300 does not fit into int8"):
        F.hardtanh(us.ones(2, dtype=us.int8), -1, 300)
