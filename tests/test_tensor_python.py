"""A tensor as a Python object: printing, numbers, iteration, operators, hashing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us


def test_item_and_numbers() -> None:
    assert us.tensor(3).item() == 3
    assert type(us.tensor(3).item()) is int
    assert type(us.tensor(3.0).item()) is float
    assert type(us.tensor(True).item()) is bool
    assert us.ones(1, 1).item() == 1.0
    assert float(us.tensor([2.5])) == 2.5
    assert int(us.tensor(2.9)) == 2
    assert bool(us.tensor(0.0)) is False
    assert bool(us.tensor([3])) is True
    assert [10, 20, 30][us.tensor(1)] == 20
    assert operator.index(us.tensor([2])) == 2
    assert round(float(us.tensor(2.5, dtype=us.float64)), 1) == 2.5
    assert complex(us.tensor(1.5)) == 1.5 + 0j
    assert us.tensor(2**62 + 1).item() == 2**62 + 1
    assert us.ones((), requires_grad=True).item() == 1.0


def test_tolist() -> None:
    assert us.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert us.tensor(2.5).tolist() == 2.5
    assert us.ones(2, 0).tolist() == [[], []]
    assert us.tensor([True]).tolist() == [True]
    assert us.arange(6).reshape(2, 3).t().tolist() == [[0, 3], [1, 4], [2, 5]]


def test_len_iter_contains() -> None:
    rows = us.arange(6).reshape(3, 2)
    assert len(rows) == 3
    assert [row.tolist() for row in rows] == [[0, 1], [2, 3], [4, 5]]
    assert [row.tolist() for row in reversed(rows)] == [[4, 5], [2, 3], [0, 1]]
    first, *rest = rows
    assert first.tolist() == [0, 1]
    assert len(rest) == 2
    assert 3 in rows
    assert 9 not in rows
    assert list(us.ones(0)) == []


def test_format_of_a_number() -> None:
    assert f"{us.tensor(2.5):.2f}" == "2.50"
    assert f"{us.tensor(7):d}" == "7"
    assert f"{us.tensor(7)}" == str(us.tensor(7)) or f"{us.tensor(7)}" == "7"


def test_hash_is_identity() -> None:
    a, b = us.ones(2), us.ones(2)
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1


BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_operators_with_tensors_and_numbers_on_either_side(function: Callable[[Any, Any], Any]) -> None:
    array = np.array([1.5, 2.25, 3.75])
    other = np.array([[2.0], [0.5]])
    x, y = us.tensor(array), us.tensor(other)
    np.testing.assert_allclose(function(x, y).numpy(), function(array, other), rtol=1e-14)
    np.testing.assert_allclose(function(x, 2).numpy(), function(array, 2), rtol=1e-14)
    np.testing.assert_allclose(function(2, x).numpy(), function(2, array), rtol=1e-14)
    np.testing.assert_allclose(function(x, 0.75).numpy(), function(array, 0.75), rtol=1e-14)
    np.testing.assert_allclose(function(0.75, x).numpy(), function(0.75, array), rtol=1e-14)


def test_bit_operators() -> None:
    a, b = us.tensor([True, True, False]), us.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~b).tolist() == [False, True, True]
    n = us.tensor([12, 10])
    assert (n & 6).tolist() == [4, 2]
    assert (n | us.tensor([1, 1])).tolist() == [13, 11]
    assert (~n).tolist() == [-13, -11]
    assert (5 & n).tolist() == [4, 0]


def test_unary_operators_and_matmul() -> None:
    x = us.tensor([[1.0, -2.0], [3.0, 4.0]])
    assert (-x).tolist() == [[-1.0, 2.0], [-3.0, -4.0]]
    assert (+x).tolist() == x.tolist()
    assert abs(x).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert (x @ x).tolist() == [[-5.0, -10.0], [15.0, 10.0]]


def test_augmented_assignment_writes_in_place() -> None:
    x = us.tensor([8.0, 18.0])
    pointer = x.data_ptr()
    x += 2
    x -= us.tensor(1.0)
    x *= 2
    x /= 2
    x **= 2
    assert x.data_ptr() == pointer
    assert x.tolist() == [81.0, 361.0]
    x //= 100
    x %= 2
    assert x.tolist() == [0.0, 1.0]
    assert x.data_ptr() == pointer
    mask = us.tensor([True, False])
    mask &= us.tensor([False, False])
    assert mask.tolist() == [False, False]


def test_numpy_scalars_are_numbers() -> None:
    x = us.ones(2)
    for scalar in (np.float64(2), np.float32(2), np.int64(2), np.int32(2)):
        assert (x * scalar).tolist() == [2.0, 2.0]
        assert (x * scalar).dtype == us.float32


def test_comparing_with_something_else() -> None:
    x = us.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True


SHORT = {
    "numbers": (lambda: us.tensor([1.0, 2.5, -3.0]), ["1.0000", "2.5000", "-3.0000"]),
    "integers": (lambda: us.tensor([[1, -20], [300, 4]]), ["1", "-20", "300", "4"]),
    "bool": (lambda: us.tensor([True, False]), ["True", "False"]),
    "0-d": (lambda: us.tensor(2.5), ["2.5"]),
    "empty": (lambda: us.ones(0, 3), ["size=(0, 3)"]),
    "float64": (lambda: us.tensor([1.0], dtype=us.float64), ["dtype=", "float64"]),
    "int32": (lambda: us.tensor([1], dtype=us.int32), ["dtype=", "int32"]),
    "gradient": (lambda: us.ones(1, requires_grad=True), ["requires_grad=True"]),
    "graph": (lambda: us.ones(1, requires_grad=True) * 2, ["grad_fn="]),
    "special": (lambda: us.tensor([float("nan"), float("inf"), -float("inf")]), ["nan", "inf", "-inf"]),
    "scientific": (lambda: us.tensor([1e10, 1e-10]), ["1.0000e+10", "1.0000e-10"]),
    "whole floats": (lambda: us.tensor([1.0, 2.0]), ["1.", "2."]),
}


@pytest.mark.parametrize("name", SHORT)
def test_printing(name: str) -> None:
    make, words = SHORT[name]
    text = repr(make())
    assert text.startswith("tensor(")
    assert text.endswith(")")
    for word in words:
        assert word in text, text
    if name in ("numbers", "whole floats", "integers", "bool"):
        assert "dtype" not in text
    assert str(make()) == text


def test_printing_of_large_tensors_is_short() -> None:
    text = repr(us.zeros(1000, 1000))
    assert "..." in text
    assert len(text) < 2000
    assert len(text.splitlines()) < 20
    assert len(repr(us.arange(1_000_000))) < 300
    lines = repr(us.arange(12).reshape(3, 4)).splitlines()
    assert len(lines) == 3
    assert len({len(line.rstrip("),")) for line in lines[:2]}) == 1, "columns are aligned"
    deep = repr(us.ones(2, 2, 2))
    assert deep.count("[") == deep.count("]") == 7


def test_printing_reads_no_uninitialised_or_foreign_memory() -> None:
    view = us.arange(24).reshape(4, 6)[1::2, ::3]
    assert "6" in repr(view)
    assert repr(view).count(",") == 3


def test_every_dtype_and_device_prints() -> None:
    for name in ("bool", "uint8", "int32", "int64", "float32", "float64"):
        assert repr(getattr(us, name)).endswith(name)
    assert "cpu" in repr(us.device("cpu"))
    assert "2, 3" in repr(us.ones(2, 3).shape)
