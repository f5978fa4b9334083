"""view(dtype): the bits of a tensor under another element type; and types that no tensor has."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import unspool as us


def test_bits_are_numpys() -> None:
    x = us.arange(24.0).reshape(2, 3, 4)
    array = x.numpy()
    for dtype, other in (
        (us.int32, "int32"),
        (us.uint8, "uint8"),
        (us.int64, "int64"),
        (us.float64, "float64"),
    ):
        np.testing.assert_array_equal(x.view(dtype).numpy(), array.view(other))
    np.testing.assert_array_equal(x[:, :2].view(dtype=us.int16), array[:, :2].view("int16"))
    np.testing.assert_array_equal(x[1:, :, 2:].view(us.int64), array[1:, :, 2:].view("int64"))
    assert us.frombuffer(b"\x80\x3f\x00\x40", dtype=us.bfloat16).tolist() == [1.0, 2.0]


def test_the_memory_is_shared_and_counted() -> None:
    x = us.ones(3, requires_grad=True)
    y = x * 2
    loss = (y * y).sum()
    bits = y.detach().view(us.int32)
    assert not y.view(us.int32).requires_grad
    bits.zero_()
    assert y.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(RuntimeError, match="zero_"):
        loss.backward()


def test_layouts_that_do_not_fit_are_named() -> None:
    x = us.zeros(3, 4)
    for given, dtype, words in (
        (x.t(), us.uint8, "the last stride must be 1 to view float32 as uint8"),
        (x[:, :3], us.float64, "the last size must be divisible by 2"),
        (x[:, 1:3], us.float64, "the storage offset must be divisible by 2"),
        (
            us.zeros(9).as_strided((2, 2), (3, 1)),
            us.int64,
            "the stride of dimension 0 must be divisible by 2",
        ),
        (us.tensor(1.0), us.uint8, "a tensor with dimensions is needed"),
    ):
        with pytest.raises(RuntimeError, match=words):
            given.view(dtype)
    assert us.tensor(1.0).view(us.int32).item() == 0x3F800000


def test_a_recorded_step_refuses() -> None:
    step = us.compile(lambda x: x.view(us.int32) + 1)
    with pytest.raises(us.CaptureError, match="under another dtype"):
        step(us.ones(2))


NAMED = {
    "complex64": (8, False, True),
    "complex128": (16, False, True),
    "uint16": (2, False, False),
    "uint64": (8, False, False),
    "float8_e4m3fn": (1, True, False),
}


@pytest.mark.parametrize("name", NAMED)
def test_types_that_no_tensor_has_can_be_named(name: str) -> None:
    dtype = getattr(us, name)
    assert isinstance(dtype, us.dtype)
    assert (dtype.itemsize, dtype.is_floating_point, dtype.is_complex) == NAMED[name]
    assert repr(dtype) == f"unspool.{name}"
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    for call in (
        lambda: us.zeros(2, dtype=dtype),
        lambda: us.ones(2).to(dtype),
        lambda: us.ones(8).view(dtype),
        lambda: us.promote_types(dtype, us.float32),
    ):
        with pytest.raises(NotImplementedError, match=f"no tensors of {name}"):
            call()


def test_their_limits_are_known() -> None:
    assert us.finfo(us.float8_e4m3fn).max == 448.0
    assert us.finfo(us.float8_e5m2).tiny == 2.0**-14
    assert us.finfo(us.complex64).dtype == "float32"
    assert us.iinfo(us.uint16).max == 65535
    assert us.can_cast(us.float32, us.complex64)
    assert not us.can_cast(us.complex64, us.float32)
    assert repr(us.finfo(us.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, "
        "smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)"
    )
    assert repr(us.iinfo(us.int8)) == "iinfo(min=-128, max=127, dtype=int8)"
