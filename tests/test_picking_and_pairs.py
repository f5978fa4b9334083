"""Kernels with a path of their own for single elements, short rows, pairs and triples."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import gradcheck, gradgradcheck
from unspool.nn import functional as F

DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


def draw(seed: int, *shape: int, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_index_select_of_the_last_dimension(dtype: str) -> None:
    x, index = draw(0, 7, 41, dtype=dtype), np.random.default_rng(1).integers(0, 41, 97)
    at = us.tensor(index)
    np.testing.assert_array_equal(us.tensor(x).index_select(1, at).numpy(), x[:, index])
    np.testing.assert_array_equal(us.tensor(x).t().index_select(0, at).numpy(), x.T[index])
    every_third = us.tensor(np.repeat(index, 3))[::3]
    np.testing.assert_array_equal(us.tensor(x)[:, ::2].index_select(1, every_third % 20).numpy(),
                                  x[:, ::2][:, index % 20])  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_index_select_adds_up_what_was_picked_twice(dtype: str) -> None:
    x, index = draw(0, 7, 41, dtype=dtype), np.random.default_rng(1).integers(0, 41, 97)
    weight = draw(2, 7, 97, dtype=dtype)
    t = us.tensor(x, requires_grad=True)
    t.index_select(-1, us.tensor(index)).backward(us.tensor(weight))
    expected = np.zeros_like(x)
    np.add.at(expected, (slice(None), index), weight)
    assert t.grad is not None
    np.testing.assert_array_equal(t.grad.numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("times", [1, 2, 3, 4, 5])
def test_repeat_interleave_of_every_dimension(times: int, dtype: str) -> None:
    x = draw(3, 5, 9, 17, dtype=dtype)
    for dim in range(3):
        found = us.repeat_interleave(us.tensor(x), times, dim)
        np.testing.assert_array_equal(found.numpy(), np.repeat(x, times, dim))


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_short_rows_are_copied_from_any_layout(size: int) -> None:
    x = np.arange(6 * 20 * 5.0).reshape(6, 20, 5)
    windows = np.lib.stride_tricks.sliding_window_view(x, size, 1)
    np.testing.assert_array_equal(us.tensor(x).unfold(1, size, 1).contiguous().numpy(), windows)
    np.testing.assert_array_equal(us.tensor(x)[:, :, :size].contiguous().numpy(), x[:, :, :size])
    np.testing.assert_array_equal(us.tensor(x)[:, ::3, -size:].contiguous().numpy(), x[:, ::3, -size:])


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (700,), (3, 700), (5, 1, 7), (4, 3, 2, 50), (1100, 1)])
def test_nonzero_of_any_shape(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(4)
    for share in (0.0, 0.02, 0.6, 1.0):
        x = (rng.random(shape) < share).astype(dtype)
        np.testing.assert_array_equal(us.nonzero(us.tensor(x)).numpy(), np.argwhere(x))
        turned = np.swapaxes(x, 0, -1)
        np.testing.assert_array_equal(us.nonzero(us.tensor(x).transpose(0, -1)).numpy(), np.argwhere(turned))


def test_nonzero_of_one_number() -> None:
    assert us.nonzero(us.tensor(3.0)).shape == (1, 0)
    assert us.nonzero(us.tensor(0.0)).shape == (0, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
@pytest.mark.parametrize("largest", [True, False])
def test_the_first_of_one_is_the_first_among_equals(dtype: str, largest: bool) -> None:
    x = draw(5, 6, 1000, dtype=dtype) % 7
    values, indices = us.topk(us.tensor(x), 1, 1, largest=largest)
    expected = (np.argmax if largest else np.argmin)(x, 1)[:, None]
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, expected, 1))


def test_the_largest_of_all_is_nan() -> None:
    x = us.tensor([1.0, float("nan"), float("inf"), float("nan")])
    assert us.topk(x, 1).indices.tolist() == [1]
    assert us.topk(x, 1, largest=False).indices.tolist() == [0]


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("rows", [2, 3, 18, 40])
def test_pdist_is_the_upper_triangle_of_cdist(p: float, rows: int) -> None:
    rng = np.random.default_rng(6)
    data = rng.standard_normal((rows, 7))
    data[-1] = data[0]  # a distance of 0
    above = np.triu_indices(rows, 1)
    a, b = (us.tensor(data, requires_grad=True) for _ in range(2))
    pairs, square = F.pdist(a, p), us.cdist(b, b, p)
    np.testing.assert_array_equal(pairs.detach().numpy(), square.detach().numpy()[above])
    weight = rng.standard_normal(rows * (rows - 1) // 2)
    spread = np.zeros((rows, rows))
    spread[above] = weight
    pairs.backward(us.tensor(weight))
    square.backward(us.tensor(spread))
    assert a.grad is not None
    assert b.grad is not None
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_pdist_has_second_derivatives(p: float) -> None:
    x = us.tensor(np.random.default_rng(7).standard_normal((4, 3)), requires_grad=True)
    assert gradcheck(lambda x: F.pdist(x, p), (x,))
    assert gradgradcheck(lambda x: F.pdist(x, p), (x,))


def test_pdist_needs_floating_rows() -> None:
    with pytest.raises(RuntimeError, match="floating"):
        F.pdist(us.ones(3, 2, dtype=us.int64))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_cross_products_along_every_dimension(dtype: str) -> None:
    a, b = draw(8, 3, 4, 3, 5, dtype=dtype), draw(9, 3, 4, 3, 1, dtype=dtype)
    for dim in (0, 2, -4):
        found = us.linalg.cross(us.tensor(a), us.tensor(b), dim=dim)
        axis = dim % 4
        expected = np.cross(a, np.broadcast_to(b, a.shape), axis=axis)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_cross_has_second_derivatives() -> None:
    rng = np.random.default_rng(10)
    a, b = (us.tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 3), (1, 3)))
    assert gradcheck(us.linalg.cross, (a, b))
    assert gradgradcheck(us.linalg.cross, (a, b))


@pytest.mark.parametrize("equals", [False, True])
def test_pairs_come_in_the_order_of_itertools(equals: bool) -> None:
    choose = itertools.combinations_with_replacement if equals else itertools.combinations
    for n in (0, 1, 2, 9):
        found = us.combinations(us.arange(n), 2, equals)
        assert found.shape == (len(list(choose(range(n), 2))), 2)
        assert found.tolist() == [list(pair) for pair in choose(range(n), 2)]


@pytest.mark.parametrize("dtype", [us.float32, us.float64, us.float16, us.int64, us.bool, us.uint8])
def test_eye_of_every_shape_and_dtype(dtype: us.dtype) -> None:
    for n, m in ((0, 0), (1, 1), (3, 3), (2, 5), (5, 2), (0, 4)):
        found = us.eye(n, m, dtype=dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.float().numpy().reshape(n, m), np.eye(n, m))


@pytest.mark.parametrize("n", [1, 3, 511, 512, 513, 529, 640, 1000, 4099])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inner_products_of_any_length(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal(n), rng.standard_normal(n)
    found = us.dot(us.tensor(a.astype(dtype)), us.tensor(b.astype(dtype))).item()
    scale = float(np.abs(a * b).sum())
    assert found == pytest.approx(float(a @ b), abs=scale * (1e-6 if dtype == "float32" else 1e-15) * 4)


def test_nansum_counts_nan_as_zero_and_passes_it_no_gradient() -> None:
    rng = np.random.default_rng(11)
    x = rng.standard_normal((13, 7, 19))
    x[rng.random(x.shape) < 0.2] = np.nan
    for dim in (None, 0, 1, -1, (0, 2)):
        t = us.tensor(x, requires_grad=True)
        out = us.nansum(t) if dim is None else us.nansum(t, dim, True)
        np.testing.assert_allclose(
            out.detach().numpy(), np.nansum(x, dim, keepdims=dim is not None), rtol=1e-12, atol=1e-12
        )
        weight = rng.standard_normal(out.shape)
        out.backward(us.tensor(weight))
        assert t.grad is not None
        np.testing.assert_array_equal(t.grad.numpy(), np.where(np.isnan(x), 0, weight))
    assert us.nansum(us.tensor([1, 2])).dtype == us.int64


def test_the_trapezoidal_rule_in_one_sum() -> None:
    y = np.random.default_rng(12).standard_normal((4, 9, 5))
    for dim in (0, 1, -1):
        found = us.trapezoid(us.tensor(y), dx=0.3, dim=dim)
        np.testing.assert_allclose(found.numpy(), np.trapezoid(y, dx=0.3, axis=dim), rtol=1e-13, atol=1e-13)
    x = us.tensor(y[0, 0], requires_grad=True)
    us.trapezoid(x).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.5, 1, 1, 1, 0.5]
    assert us.trapezoid(us.tensor([1.0, 2.0, float("inf")])).item() == float("inf")
    assert us.trapezoid(us.tensor([2.0])).item() == 0


@pytest.mark.parametrize("n", [1, 15, 64, 200])
def test_logic_of_truth_values(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.random((2, n, 3)) < 0.5
    for x, y in ((a, b), (a[::2], b[::2]), (a, b[:1])):
        s, t = us.tensor(x), us.tensor(y)
        for name in ("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"):
            np.testing.assert_array_equal(getattr(us, name)(s, t).numpy(), getattr(np, name)(x, y))
        np.testing.assert_array_equal(us.logical_not(s).numpy(), ~x)
        np.testing.assert_array_equal((~s).numpy(), ~x)
        np.testing.assert_array_equal((s & True).numpy(), x)
    whole = us.tensor(np.stack([a, b], 1))
    np.testing.assert_array_equal((whole[:, 0] & whole[:, 1]).numpy(), a & b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("columns", [1, 5, 16, 64, 70, 131])
def test_gradients_of_cdist_for_rows_of_any_length(columns: int, p: float, dtype: str) -> None:
    rng = np.random.default_rng(columns)
    a, b, g = (rng.standard_normal(s).astype(dtype) for s in ((2, 5, columns), (2, 7, columns), (2, 5, 7)))
    a[0, 1] = b[0, 2]  # a distance of 0
    x, y = us.tensor(a, requires_grad=True), us.tensor(b, requires_grad=True)
    us.cdist(x, y, p).backward(us.tensor(g))
    gap = a[:, :, None].astype(np.float64) - b[:, None]
    size = np.abs(gap)
    length = np.linalg.norm(gap, p, -1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = np.sign(gap) * (size == length if p == float("inf") else (size / length) ** (p - 1))
    slopes = np.where(length == 0, 0, slopes) * g[..., None]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), slopes.sum(2), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(y.grad.numpy(), -slopes.sum(1), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("alike", [1, 3, 100, 500])
def test_runs_of_equal_elements_and_of_equal_rows(alike: int) -> None:
    x = np.random.default_rng(13).integers(0, 2, 500)[np.arange(500) // alike]
    starts = np.flatnonzero(np.diff(x, prepend=-1))
    values, inverse, counts = us.unique_consecutive(us.tensor(x), True, True)
    np.testing.assert_array_equal(values.numpy(), x[starts])
    np.testing.assert_array_equal(inverse.numpy(), np.cumsum(np.diff(x, prepend=-1) != 0) - 1)
    np.testing.assert_array_equal(counts.numpy(), np.diff(np.append(starts, 500)))
    nan = us.tensor([1.0, float("nan"), float("nan"), 2.0])
    assert us.unique_consecutive(nan).shape == (4,)
    assert us.unique_consecutive(us.empty(0)).shape == (0,)


def test_long_inner_products_have_derivatives() -> None:
    rng = np.random.default_rng(14)
    a, b = (us.tensor(rng.standard_normal(1500), requires_grad=True) for _ in range(2))
    product = us.dot(a, b)
    assert product.shape == ()
    first = us.autograd.grad(product * product, (a, b), create_graph=True)
    np.testing.assert_allclose(first[0].detach().numpy(), 2 * product.item() * b.detach().numpy(), rtol=1e-12)
    first[0].sum().backward()
    assert b.grad is not None
    expected = 2 * (product.item() + a.detach().numpy() * b.detach().numpy().sum())
    np.testing.assert_allclose(b.grad.numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 15, 16, 20, 31, 32, 33, 300])
@pytest.mark.parametrize("dtype", [us.float32, us.float64, us.uint8])
def test_slices_of_every_width_are_picked_and_added(width: int, dtype: us.dtype) -> None:
    rng = np.random.default_rng(width)
    values = rng.integers(0, 9, (3, 7, width))
    x = us.tensor(values).to(dtype)
    index = rng.integers(0, 7, 9)
    picked = us.index_select(x, 1, us.tensor(index))
    np.testing.assert_array_equal(picked.numpy(), values[:, index])
    for dim in range(3):
        size = values.shape[dim]
        places = rng.integers(0, size, 9)
        source = rng.integers(0, 9, (*values.shape[:dim], 9, *values.shape[dim + 1 :]))
        expected = values.copy()
        np.add.at(np.moveaxis(expected, dim, 0), places, np.moveaxis(source, dim, 0))
        for added in (us.tensor(source).to(dtype), us.tensor(source.T.copy()).to(dtype).permute(2, 1, 0)):
            result = x.index_add(dim, us.tensor(places), added)
            np.testing.assert_array_equal(result.numpy(), expected.astype(result.numpy().dtype))
    expected_rows = values.max(0), values.max((0, 1)), values.sum(1)
    rows = x.amax(0), x.amax((0, 1)), x.sum(1)
    for got, wanted in zip(rows, expected_rows, strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)
