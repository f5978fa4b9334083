"""The out= argument, and operands in the memory that is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
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


# Operands in the memory that is written ----------------------------------------------------------------


def square() -> Any:
    """A new 3 x 3 matrix."""
    return us.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 10]], dtype=us.float64)


ORDER = us.tensor([2, 0, 1])

OVERLAPPING: dict[str, Callable[[Any, Any], Any]] = {
    "rows assigned by index": lambda x, y: x.__setitem__(ORDER, y),
    "index_copy_": lambda x, y: x.index_copy_(0, ORDER, y),
    "index_add_": lambda x, y: x.index_add_(0, ORDER, y),
    "index_put_": lambda x, y: x.index_put_((ORDER,), y, accumulate=True),
    "scatter_": lambda x, y: x.scatter_(0, ORDER.reshape(3, 1).expand(3, 3), y),
    "put_": lambda x, y: x.put_(ORDER, y.reshape(-1)[:3]),
    "mul_": lambda x, y: x.mul_(y),
    "mul_ of rows by others": lambda x, y: x[1:].mul_(y[:-1]),
    "mul_ by the transpose": lambda x, y: x.mul_(y.t()),
    "lerp_": lambda x, y: x.lerp_(y.t(), y),
    "addcmul_": lambda x, y: x.addcmul_(y, y.t()),
}
WRITTEN_OUT: dict[str, Callable[[Any, Any], Any]] = {
    "index_select": lambda x, y: us.index_select(y, 0, ORDER, out=x),
    "mm": lambda x, y: us.mm(y, y, out=x),
    "gather": lambda x, y: us.gather(y, 0, ORDER.reshape(3, 1).expand(3, 3), out=x),
    "cumsum": lambda x, y: us.cumsum(y, 0, out=x),
    "where": lambda x, y: us.where(y > 3, y.t(), y, out=x),
}


@pytest.mark.parametrize("name", [*OVERLAPPING, *WRITTEN_OUT])
def test_what_is_read_from_the_memory_that_is_written_is_its_earlier_value(name: str) -> None:
    change = (OVERLAPPING | WRITTEN_OUT)[name]
    expected = square()
    change(expected, square())
    for seen in (lambda x: x, lambda x: x[:], lambda x: x.detach()):
        x = square()
        change(x, seen(x))
        assert x.tolist() == expected.tolist()


def test_integer_products_may_be_written_over_a_factor() -> None:
    x = square().long()
    expected = x @ x
    us.mm(x, x, out=x)
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize("name", OVERLAPPING)
def test_gradients_are_those_of_the_earlier_values(name: str) -> None:
    change = OVERLAPPING[name]
    weights = us.arange(9.0, dtype=us.float64).reshape(3, 3)

    def gradient(seen: Callable[[Any], Any]) -> Any:
        leaf = square().requires_grad_()
        x = leaf * 1
        change(x, seen(x))
        return us.autograd.grad((x * weights).sum(), leaf)[0].tolist()

    np.testing.assert_allclose(gradient(lambda x: x[:]), gradient(lambda x: x.clone()), rtol=1e-12)
    detached = gradient(lambda x: x.detach().clone())
    np.testing.assert_allclose(gradient(lambda x: x.detach()), detached, rtol=1e-12)


COMPOSED: list[tuple[str, tuple[Any, ...]]] = [
    ("addr", (us.ones(2, 3), us.arange(2.0), us.arange(3.0))),
    ("addbmm", (us.ones(2, 2), us.ones(3, 2, 4), us.ones(3, 4, 2))),
    ("angle", (us.tensor([1.0, -1.0]),)),
    ("column_stack", ([us.ones(2), us.zeros(2)],)),
    ("deg2rad", (us.tensor([180.0]),)),
    ("diagonal_copy", (us.ones(3, 3),)),
    ("expand_copy", (us.ones(1), (3,))),
    ("float_power", (us.tensor([2.0]), 3)),
    ("frexp", (us.tensor([3.0, 8.0]),)),
    ("heaviside", (us.tensor([-1.0, 0.0]), us.tensor([0.5]))),
    ("histc", (us.tensor([1.0, 2.0]), 4)),
    ("histogram", (us.tensor([1.0, 2.0]), 4)),
    ("hstack", ([us.ones(2), us.zeros(2)],)),
    ("i0", (us.tensor([1.0]),)),
    ("inner", (us.ones(2, 3), us.ones(4, 3))),
    ("kron", (us.eye(2), us.ones(2, 2))),
    ("ldexp", (us.tensor([1.0]), us.tensor([3]))),
    ("linalg.cholesky", (us.eye(3),)),
    ("linalg.inv", (us.eye(3),)),
    ("linalg.lstsq", (us.eye(3), us.ones(3, 1))),
    ("linalg.qr", (us.eye(3),)),
    ("linalg.svd", (us.eye(3),)),
    ("lu", (us.eye(3),)),
    ("nansum", (us.tensor([1.0, float("nan")]),)),
    ("nn.functional.normalize", (us.ones(2, 3),)),
    ("nonzero", (us.tensor([0, 3]),)),
    ("polygamma", (1, us.tensor([1.0]))),
    ("renorm", (us.ones(2, 3), 2, 0, 1.0)),
    ("sinc", (us.tensor([0.0, 0.5]),)),
    ("special.bessel_j0", (us.tensor([1.0]),)),
    ("special.chebyshev_polynomial_t", (us.tensor([0.5]), 3)),
    ("special.ndtri", (us.tensor([0.3]),)),
    ("tensordot", (us.ones(2, 3), us.ones(3, 2), 1)),
    ("unbind_copy", (us.ones(2, 3),)),
    ("vdot", (us.ones(3), us.ones(3))),
]


@pytest.mark.parametrize(("name", "args"), COMPOSED, ids=[name for name, _ in COMPOSED])
def test_functions_that_python_composes_write_it_too(name: str, args: tuple[Any, ...]) -> None:
    function: Any = us
    for part in name.split("."):
        function = getattr(function, part)
    wanted = function(*args)
    one = isinstance(wanted, us.Tensor)
    values = [wanted] if one else list(wanted)
    for shaped in (
        lambda x: us.empty(0, dtype=x.dtype),
        lambda x: us.empty(*x.shape, 2, dtype=x.dtype)[..., 0],
    ):
        targets = [shaped(value) for value in values]
        given = function(*args, out=targets[0] if one else tuple(targets))
        assert type(given) is type(wanted)
        assert given is targets[0] if one else all(a is b for a, b in zip(given, targets, strict=True))
        assert all(us.equal(a, b) for a, b in zip(targets, values, strict=True))


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (us.ones(3), RuntimeError, r"kron\(\): the result has shape \(4, 4\), but out= has shape \(3,\)"),
        (us.ones(4, 4, dtype=us.int64), RuntimeError, "cannot be written into"),
        (us.ones(4, 4, requires_grad=True), RuntimeError, "does not support gradients"),
        ((us.ones(4, 4),), TypeError, "must be Tensor, not tuple"),
        (3, TypeError, "must be Tensor, not int"),
    ],
)
def test_what_cannot_take_the_result_is_named(out: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        us.kron(us.eye(2), us.ones(2, 2), out=out)
    with pytest.raises(TypeError, match="a tuple of 2 Tensors, not Tensor"):
        us.frexp(us.ones(2), out=us.ones(2))


@pytest.mark.parametrize("dtype", [us.int64, us.int32, us.uint8, us.int8, us.float64, us.float16], ids=str)
@pytest.mark.parametrize(
    ("name", "expected"), [("cumsum", [1, 3, 6]), ("cumprod", [1, 2, 6]), ("sum", [6]), ("prod", [6])]
)
def test_sums_are_formed_in_the_dtype_of_out(name: str, expected: list[int], dtype: us.dtype) -> None:
    x = us.tensor([1.5, 2.5, 3.0]) if not dtype.is_floating_point else us.tensor([1, 2, 3])
    out = us.zeros(len(expected) if len(expected) > 1 else (), dtype=dtype)
    assert getattr(us, name)(x, 0, out=out) is out
    assert out.reshape(-1).tolist() == expected


def test_a_dtype_that_is_named_is_held_against_out() -> None:
    with pytest.raises(RuntimeError, match="float32 and cannot be written into a tensor of int64"):
        us.cumsum(us.ones(3), 0, dtype=us.float32, out=us.zeros(3, dtype=us.int64))


@pytest.mark.parametrize("dtype", [us.int64, us.int8, us.uint8, us.bool, us.float64, us.bfloat16], ids=str)
def test_coins_are_thrown_into_any_dtype(dtype: us.dtype) -> None:
    out = us.zeros(3, dtype=dtype)
    us.bernoulli(us.tensor([1.0, 0.0, 1.0]), out=out)
    assert out.tolist() == [1, 0, 1]


def test_what_take_reads_from_the_memory_that_is_written_is_its_earlier_value() -> None:
    x = us.arange(4.0)
    us.take(x, us.tensor([3, 2, 1, 0]), out=x)
    assert x.tolist() == [3.0, 2.0, 1.0, 0.0]
    places = us.tensor([1, 0])
    us.take(us.tensor([5, 6]), places, out=places)
    assert places.tolist() == [6, 5]
