"""The out= argument."""

from __future__ import annotations

import pytest

import unspool as us


def test_the_result_is_written_and_returned() -> None:
    x = us.tensor([1.0, 4.0, 9.0])
    out = us.zeros(3)
    assert us.sqrt(x, out=out) is out
    assert out.tolist() == [1.0, 2.0, 3.0]
    us.add(x, 1, out=x)
    assert x.tolist() == [2.0, 5.0, 10.0]


def test_compositions_and_several_outputs() -> None:
    x = us.tensor([[1.0, 5.0], [7.0, 2.0]])
    out = us.empty(4, 2)
    us.cat([x, x], out=out)
    assert out.tolist() == [[1.0, 5.0], [7.0, 2.0]] * 2
    values, places = us.empty(2), us.empty(2, dtype=us.int64)
    us.max(x, 1, out=(values, places))
    assert values.tolist() == [5.0, 7.0]
    assert places.tolist() == [1, 0]
    target = us.zeros(2)
    us.index_add(us.ones(2), 0, us.tensor([1, 1]), us.ones(2), out=target)
    assert target.tolist() == [1.0, 3.0]


def test_strided_and_overlapping_targets() -> None:
    x = us.arange(6.0).reshape(2, 3)
    out = us.zeros(3, 2)
    us.mul(x, 2, out=out.t())
    assert out.tolist() == [[0.0, 6.0], [2.0, 8.0], [4.0, 10.0]]
    y = us.arange(4.0)
    us.mul(y[:-1], 2, out=y[1:])
    assert y.tolist() == [0.0, 0.0, 2.0, 4.0]


def test_shapes() -> None:
    out = us.empty(0)
    us.exp(us.zeros(2, 2), out=out)
    assert out.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(RuntimeError, match=r"\(2,\)"):
        us.exp(us.zeros(2), out=us.empty(3))


def test_dtypes() -> None:
    out = us.empty(2, dtype=us.float64)
    us.add(us.ones(2), 1, out=out)
    assert out.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="float32"):
        us.exp(us.zeros(2), out=us.empty(2, dtype=us.int64))


def test_gradients_are_refused() -> None:
    x = us.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="out= does not support gradients"):
        us.exp(x, out=us.empty(2))
    with pytest.raises(RuntimeError, match="out= does not support gradients"):
        us.exp(us.ones(2), out=x)
    with us.no_grad():
        us.exp(us.zeros(2), out=x)
    assert x.tolist() == [1.0, 1.0]


def test_no_out_where_it_means_nothing() -> None:
    with pytest.raises(TypeError, match="out"):
        us.ones(2, 2).transpose(0, 1, out=us.empty(2, 2))
    with pytest.raises(TypeError, match="out"):
        us.ones(2).add_(1, out=us.empty(2))
    with pytest.raises(TypeError, match="Tensor"):
        us.exp(us.ones(2), out=3)
