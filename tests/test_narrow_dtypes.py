"""Dtypes that are kept in memory only (int8, int16, float16, bfloat16): conversions, and that an operation
computes in the carrier and rounds once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us

FLOATS = ("float16", "bfloat16")
INTEGERS = ("int8", "int16")
NARROW = INTEGERS + FLOATS
ALL = ("bool", "uint8", "int32", "int64", "float32", "float64", *NARROW)


def rounded(values: Any, name: str) -> Any:
    """The values as float32 after rounding to the dtype; bfloat16 by hand: nearest, ties to even."""
    values = np.asarray(values, dtype=np.float32)
    if name == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32)
    bits = values.view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    result = bits.astype(np.uint32).view(np.float32).copy()
    result[np.isnan(values)] = np.nan
    return result


def floats(n: int = 4096) -> Any:
    """Numbers of all magnitudes, ties, subnormals, infinities and NaN."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal(n).astype(np.float32) * np.float32(10) ** rng.integers(-12, 8, n)
    ties = (np.arange(2048, dtype=np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    special = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        65504.0,
        65519.9,
        65520.0,
        6.1e-5,
        5.96e-8,
        2.98e-8,
        3.4e38,
    ]
    return np.concatenate([values.astype(np.float32), ties, 1 + ties, np.asarray(special, np.float32)])


@pytest.mark.parametrize("name", FLOATS)
def test_rounding_is_to_nearest_even(name: str) -> None:
    values = floats()
    narrow = us.from_numpy(values).to(getattr(us, name))
    assert narrow.dtype == getattr(us, name)
    assert narrow.element_size() == 2
    np.testing.assert_array_equal(narrow.float().numpy(), rounded(values, name))


def test_every_half_survives_the_round_trip() -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    wide = us.from_numpy(halves).float()
    np.testing.assert_array_equal(wide.numpy(), halves.astype(np.float32))
    np.testing.assert_array_equal(wide.half().numpy(), halves)


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_conversions_between_all_dtypes(source: str, target: str) -> None:
    values = us.tensor([[0, 1, 2], [100, 5, 127]]).to(getattr(us, source))
    converted = values.t().to(getattr(us, target))
    expected = [[0, 100], [1, 5], [2, 127]]
    if "bool" in (source, target):
        expected = [[int(v != 0) for v in row] for row in expected]
    assert converted.dtype == getattr(us, target)
    assert converted.long().tolist() == expected


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_wrap_like_numpy(name: str) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-128, 128, 100).astype(name) for _ in range(2))
    x, y = us.from_numpy(a), us.from_numpy(b)
    for result, expected in ((x + y, a + b), (x * y, a * b), (x - 3, a - np.asarray(3, name)), (-x, -a)):
        assert result.dtype == getattr(us, name)
        np.testing.assert_array_equal(result.numpy(), expected)
    assert (x / y.clamp(min=1)).dtype == us.float32
    assert x.sum().dtype == us.int64
    assert x.sum().item() == a.sum(dtype=np.int64)
    assert (x < y).dtype == us.bool


@pytest.mark.parametrize("name", FLOATS)
def test_operations_round_once(name: str) -> None:
    rng = np.random.default_rng(2)
    a, b = (rounded(rng.standard_normal((6, 5)), name) for _ in range(2))
    x, y = (us.from_numpy(v).to(getattr(us, name)) for v in (a, b))
    cases = [
        (x + y, a + b),
        (x * 0.3, a * np.float32(0.3)),
        (x @ y.t(), a @ b.T),
        (x.sum(0), a.sum(0)),
        (x.relu(), np.maximum(a, 0)),
        (us.cat([x, y]), np.concatenate([a, b])),
        (x[1:, us.tensor([0, 2])], a[1:][:, [0, 2]]),
    ]
    step = (
        2.0**-7 if name == "bfloat16" else 2.0**-10
    )  # sums may differ in the last bit of float32 before they are rounded.
    step = 2.0**-7 if name == "bfloat16" else 2.0**-10
    for result, expected in cases:
        assert result.dtype == getattr(us, name)
        np.testing.assert_allclose(result.float().numpy(), rounded(expected, name), rtol=step, atol=1e-6)
    np.testing.assert_array_equal((x + y).float().numpy(), rounded(a + b, name))


def test_promotion() -> None:
    pairs = {
        ("uint8", "int8"): "int16",
        ("uint8", "int16"): "int16",
        ("int8", "int16"): "int16",
        ("int16", "int32"): "int32",
        ("int64", "float16"): "float16",
        ("float16", "bfloat16"): "float32",
        ("bfloat16", "float32"): "float32",
        ("bool", "int8"): "int8",
    }
    for (a, b), expected in pairs.items():
        for first, second in ((a, b), (b, a)):
            assert us.promote_types(getattr(us, first), getattr(us, second)) == getattr(us, expected)
            x, y = us.ones(2, dtype=getattr(us, first)), us.ones(2, dtype=getattr(us, second))
            assert (x + y).dtype == getattr(us, expected)
            assert us.cat([x, y]).dtype == getattr(us, expected)
    half = us.ones(2, dtype=us.bfloat16)
    assert (half + us.tensor(1.0)).dtype == us.bfloat16
    assert (half * 2).dtype == us.bfloat16
    assert (us.ones(2, dtype=us.int8) * 1.5).dtype == us.float32


@pytest.mark.parametrize("name", NARROW)
def test_changes_in_place(name: str) -> None:
    dtype = getattr(us, name)
    x = us.zeros(2, 3, dtype=dtype)
    x += 2
    x[0] = us.tensor([1.0, 2.0, 3.0])
    x[:, 1].mul_(3)
    x.copy_(x.clone().float())
    assert x.dtype == dtype
    assert x.tolist() == [[1, 6, 3], [2, 6, 2]]
    x.fill_(7)
    assert x.float().sum().item() == 42
    y = us.zeros(2, 3)
    y.add_(x).copy_(x)
    assert y.tolist() == [[7.0] * 3] * 2


@pytest.mark.parametrize("name", NARROW)
def test_factories_and_python(name: str) -> None:
    dtype = getattr(us, name)
    assert us.arange(5, dtype=dtype).tolist() == [0, 1, 2, 3, 4]
    assert us.full((2,), 3, dtype=dtype).tolist() == [3, 3]
    assert us.tensor([1, 2], dtype=dtype).dtype == dtype
    assert us.tensor([5], dtype=dtype).item() == 5
    assert us.ones(3, dtype=dtype).sum(dtype=us.float64).item() == 3.0
    assert us.ones(2, 2).sum(0, dtype=dtype).dtype == dtype
    assert f"dtype=unspool.{name}" in repr(us.ones(2, dtype=dtype))
    assert us.from_dlpack(us.ones(2, dtype=dtype)).dtype == dtype
    assert us.empty_like(us.ones(2, dtype=dtype)).dtype == dtype


def test_gradients_pass_through_conversions() -> None:
    w = us.tensor([[1.0, -2.0], [0.5, 4.0]], requires_grad=True)
    half = w.bfloat16()
    loss = (half @ half.t()).float().sum()
    loss.backward()
    assert w.grad is not None
    assert w.grad.dtype == us.float32
    np.testing.assert_allclose(w.grad.numpy(), [[3.0, 4.0], [3.0, 4.0]])
    leaf = us.ones(3, dtype=us.bfloat16, requires_grad=True)
    (leaf * 3).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.dtype == us.bfloat16
    assert leaf.grad.tolist() == [3.0] * 3


def test_errors_say_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="does not fit into int8"):
        us.tensor([300], dtype=us.int8)
    with pytest.raises(TypeError, match=r"bfloat16.*float\(\)"):
        us.ones(2, dtype=us.bfloat16).numpy()


@pytest.mark.parametrize("name", FLOATS)
def test_optimizers_update_parameters_in_their_dtype(name: str) -> None:
    dtype = getattr(us, name)
    for make in (lambda p: us.optim.SGD(p, lr=0.25, momentum=0.5), lambda p: us.optim.AdamW(p, lr=0.25)):
        narrow = us.tensor([1.0, -2.0], dtype=dtype, requires_grad=True)
        wide = us.tensor([1.0, -2.0], requires_grad=True)
        for parameter in (narrow, wide):
            optimizer = make([parameter])
            for _ in range(3):
                optimizer.zero_grad()
                (parameter * parameter).sum().backward()
                optimizer.step()
        assert narrow.dtype == dtype
        # A rounding of the parameter and of each state per step.
        np.testing.assert_allclose(
            narrow.detach().float().numpy(), wide.detach().numpy(), rtol=0.03, atol=0.03
        )


def test_limits() -> None:
    assert us.finfo(us.bfloat16).eps == 2.0**-7
    assert us.finfo(us.bfloat16).max == 3.3895313892515355e38
    assert us.finfo(us.float16).max == 65504.0
    assert us.iinfo(us.int8).min == -128


def test_picking_by_an_index_keeps_the_dtype() -> None:
    index = us.tensor([0, 1])
    for dtype in (us.int8, us.int16, us.float16, us.bfloat16):
        x = us.ones(3, 3).to(dtype)
        assert x[index].dtype == x.index_select(0, index).dtype == x.take(index).dtype == dtype
        assert x.gather(0, index.reshape(1, 2)).dtype == dtype
    assert us.cat([us.ones(2).to(us.int8), index]).dtype == us.int64
    assert us.cat([us.ones(2).to(us.int8), index.int()]).dtype == us.int32


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("wanted", ["float32", "float64", *FLOATS])
def test_a_dtype_that_is_asked_for_is_the_one_of_the_result(name: str, wanted: str) -> None:
    x = us.full((2, 300), 0.3, dtype=getattr(us, name))
    dtype = getattr(us, wanted)
    for call in (us.sum, us.mean, lambda a, **k: a.softmax(1, **k), lambda a, **k: a.cumsum(1, **k)):
        result = call(x, dtype=dtype)  # type: ignore[operator]
        assert result.dtype == dtype
        expected = call(x.double(), dtype=us.float64)  # type: ignore[operator]
        tolerance = 1e-2 if wanted in FLOATS else 1e-5
        np.testing.assert_allclose(result.double().numpy(), expected.numpy(), rtol=tolerance)


def test_a_wide_sum_of_narrow_integers_does_not_wrap_around() -> None:
    x = us.ones(300, dtype=us.int8)
    for dtype in (us.int16, us.int32, us.int64):
        assert (x.sum(dtype=dtype).item(), x.sum(dtype=dtype).dtype) == (300, dtype)
        assert x.cumsum(0, dtype=dtype)[-1].item() == 300
    assert x.sum(dtype=us.int8).item() == 300 - 256


def test_places_are_not_narrow() -> None:
    edges = us.zeros(300, dtype=us.int8)
    value = us.ones(2, dtype=us.int8)
    for found in (
        us.searchsorted(edges, value, out_int32=True),
        us.bucketize(value, edges, out_int32=True),
    ):
        assert (found.tolist(), found.dtype) == ([300, 300], us.int32)


@pytest.mark.parametrize("name", ["int8", "int16"])
def test_places_of_int32_leave_the_dtype(name: str) -> None:
    x = us.arange(6, dtype=getattr(us, name)).reshape(2, 3)
    rows, column = us.tensor([[1, 0, 1]], dtype=us.int32), us.tensor([2, 0], dtype=us.int32)
    for picked, expected in (
        (x.gather(0, rows), [[3, 1, 5]]),
        (x.scatter(0, rows, x), [[0, 1, 2], [0, 4, 2]]),
        (x.index_select(1, column), [[2, 0], [5, 3]]),
        (x.index_add(1, column, x[:, :2]), [[1, 1, 2], [7, 4, 8]]),
        (x[:, column], [[2, 0], [5, 3]]),
    ):
        assert (picked.tolist(), picked.dtype) == (expected, x.dtype)


def halves(n: int, name: str, seed: int = 0) -> us.Tensor:
    """Numbers of all magnitudes, with zeros, infinities and NaNs among them."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(n) * 10.0 ** rng.integers(-7, 5, n)
    values[rng.random(n) < 0.1] = rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan])
    return us.tensor(values.astype(np.float32)).to(getattr(us, name))


@pytest.mark.parametrize("name", FLOATS)
def test_elementwise_operations_of_every_length_are_those_of_float32_rounded(name: str) -> None:
    single = us.tensor(1.5, dtype=getattr(us, name))
    for n in (1, 2, 15, 16, 17, 31, 1023, 1024, 1025, 70001):
        x, y, z = halves(n, name), halves(n, name, 1), us.tensor(halves(n, name, 2).float())
        wide_x, wide_y = x.float(), y.float()
        narrow = {
            "add": (x + y, wide_x + wide_y),
            "number": (x * 0.3, wide_x * 0.3),
            "single": (x / single, wide_x / 1.5),
            "single first": (single - x, 1.5 - wide_x),
            "exp": (x.exp(), wide_x.exp()),
            "lerp": (us.lerp(x, y, 0.3), us.lerp(wide_x, wide_y, 0.3)),
        }
        for case, (result, expected) in narrow.items():
            assert result.dtype == x.dtype, case
            assert us.equal(result.isnan(), expected.isnan()), case
            assert us.equal(result.nan_to_num(7.0), expected.to(x.dtype).nan_to_num(7.0)), case
        assert (x * z).dtype == us.float32
        assert us.equal((x * z).nan_to_num(7.0), (wide_x * z).nan_to_num(7.0))
        assert us.equal(x < y, wide_x < wide_y)
        assert us.equal(x == x.clone(), wide_x == wide_x)


@pytest.mark.parametrize("name", FLOATS)
def test_recording_gives_the_values_of_not_recording(name: str) -> None:
    x, y = halves(3000, name).nan_to_num(1.0), halves(3000, name, 1)
    leaf = x.clone().requires_grad_(True)
    for f in (
        lambda a: a * y,
        lambda a: a.tanh(),
        lambda a: a[None, :] + y[:3, None],
        lambda a: a.reshape(3, -1).t() - y.reshape(3, -1).t(),
        lambda a: a.sum(),
        lambda a: a.reshape(30, 100).sum(0),
        lambda a: a.reshape(30, 100).t().sum(0, keepdim=True),
        lambda a: a.reshape(3, 10, 100).permute(2, 0, 1).mean((0, 2)),
        lambda a: a.mean(dtype=us.float32),
    ):
        plain, recorded = f(x), f(leaf).detach()
        assert plain.dtype == recorded.dtype
        assert plain.shape == recorded.shape
        assert us.equal(plain.nan_to_num(7.0), recorded.nan_to_num(7.0))


def test_shapes_that_do_not_broadcast_are_an_error_in_half_precision_too() -> None:
    x = us.ones(3, dtype=us.float16)
    with pytest.raises(RuntimeError, match=r"add: shapes do not broadcast"):
        x + us.ones(4, dtype=us.float16)
    with pytest.raises(IndexError, match="dim"):
        x.sum(2)
    assert (x + us.ones(1, 1, dtype=us.float16)).shape == (1, 3)
    assert (us.ones(1, dtype=us.float16) + us.ones(1, 1, 1, dtype=us.float16)).shape == (1, 1, 1)
    assert (us.ones(0, dtype=us.float16) + us.ones(1, dtype=us.float16)).shape == (0,)
    assert us.ones(0, dtype=us.bfloat16).sum().item() == 0


@pytest.mark.parametrize("name", ["bool", "uint8", "int32"])
def test_sums_of_integers_are_added_up_in_64_bits(name: str) -> None:
    values = np.random.default_rng(3).integers(0, 2**31 - 1 if name == "int32" else 256, (70, 1100, 3))
    x = us.tensor(values).to(getattr(us, name))
    exact = x.numpy().astype(np.int64)
    for dims in (None, (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)):
        for order in ((0, 1, 2), (2, 0, 1), (1, 0, 2)):
            total = x.permute(order).sum(dims)
            assert total.dtype == us.int64
            np.testing.assert_array_equal(total.numpy(), exact.transpose(order).sum(dims))
    assert x[:0].sum((0,)).equal(us.zeros(1100, 3, dtype=us.int64))
    assert us.count_nonzero(x).item() == np.count_nonzero(exact)


def test_sums_of_bool_in_captured_programs() -> None:
    @us.compile
    def count(x: us.Tensor) -> us.Tensor:
        return (x > 0).sum(0) + (x > 1).sum()

    for seed in range(3):
        x = us.tensor(np.random.default_rng(seed).standard_normal((40, 50)).astype(np.float32))
        expected = (x.numpy() > 0).sum(0) + (x.numpy() > 1).sum()
        np.testing.assert_array_equal(count(x).numpy(), expected)


@pytest.mark.parametrize("dtype", [us.float16, us.bfloat16])
def test_uniform_numbers_stay_below_a_bound_that_is_rounded_up(dtype: Any) -> None:
    bound = 0.4472
    kept = us.tensor(bound, dtype=dtype).item()
    assert kept > bound
    us.manual_seed(0)
    drawn = us.empty(100_000, dtype=dtype).uniform_(-bound, bound)
    assert drawn.min().item() == -kept
    assert drawn.max().item() < kept


@pytest.mark.parametrize("name", FLOATS)
def test_sums_of_products_are_rounded_once(name: str) -> None:
    us.manual_seed(0)
    half = getattr(us, name)
    calls: dict[Callable[..., us.Tensor], tuple[tuple[int, ...], ...]] = {
        us.addmm: ((4, 6), (4, 5), (5, 6)),
        us.addmv: ((4,), (4, 5), (5,)),
        us.baddbmm: ((1,), (3, 4, 5), (3, 5, 6)),
        us.addbmm: ((6,), (3, 4, 5), (3, 5, 6)),
    }
    for call, shapes in calls.items():
        for factors in ({}, {"beta": 0.2, "alpha": 0.6}, {"beta": 0.0}):
            x = [us.randn(*shape).to(half).requires_grad_() for shape in shapes]
            y = call(*x, **factors)
            assert y.dtype == half
            assert us.equal(y, call(*(each.float() for each in x), **factors).to(half))
            y.sum().backward()
            assert x[1].grad is not None
            assert x[1].grad.dtype == half
