"""What PyTorch's documentation leaves to its behaviour: dtypes, error classes, streams and edge cases."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import special
from unspool.nn import functional as F

X = us.arange(12.0).reshape(3, 4)
ROWS = us.tensor([[1, 0, 1, 0]])


@pytest.mark.parametrize(
    "call",
    [
        lambda i: X.gather(0, i),
        lambda i: X.scatter(0, i, X),
        lambda i: X.scatter(0, i, 2.0),
        lambda i: X.scatter_add(0, i, X),
        lambda i: X.scatter_reduce(0, i, X, "amax"),
        lambda i: X.index_add(0, i[0, :2], X[:2]),
        lambda i: X.index_select(0, i[0]),
        lambda i: X.index_reduce(0, i[0, :2], X[:2], "prod"),
        lambda i: F.embedding(i, X),
        lambda i: X[i],
    ],
)
def test_int32_indices_are_as_good_as_int64(call: Callable[[us.Tensor], us.Tensor]) -> None:
    assert us.equal(call(ROWS.int()), call(ROWS))
    with pytest.raises((RuntimeError, IndexError)):
        call(ROWS.double())


def test_int32_indices_carry_gradients() -> None:
    x = X.clone().requires_grad_()
    (x.gather(0, ROWS.int()) * X[:1]).sum().backward()
    y = X.clone().requires_grad_()
    (y.gather(0, ROWS) * X[:1]).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert us.equal(x.grad, y.grad)


def test_an_empty_index_may_have_any_dtype() -> None:
    nothing = us.zeros(0, 4, dtype=us.uint8)
    assert X.gather(0, nothing).shape == (0, 4)
    assert us.equal(X.scatter_add(0, nothing, X), X)


@pytest.mark.parametrize("index", [7, -1])
def test_gather_and_scatter_raise_runtime_errors_beyond_the_end(index: int) -> None:
    places = us.full((1, 4), index)
    for call in (
        lambda: X.gather(0, places),
        lambda: X.scatter(0, places, X),
        lambda: X.scatter(0, places, 1.0),
        lambda: X.scatter_add(0, places, X),
        lambda: X.scatter_reduce(0, places, X, "mean"),
    ):
        with pytest.raises(RuntimeError, match=str(index)):
            call()


def test_messages_hold_public_names_only() -> None:
    image, wide = us.ones(1, 1, 3, 3), us.ones(1, 2, 2, 2)
    with pytest.raises(RuntimeError, match=r"^conv2d: "):
        F.conv2d(image, wide, padding="same")
    with pytest.raises(ValueError, match=r"^norm: "):
        us.norm(X, "max")
    with pytest.raises(RuntimeError, match=r"^scatter: "):
        X.scatter(0, ROWS + 5, 1.0)


def test_a_value_filled_in_twice_counts_once() -> None:
    for fill in (us.Tensor.index_fill, us.Tensor.index_fill_):
        value = us.tensor(1.0, requires_grad=True)
        fill(us.zeros(3, 2), 0, us.tensor([1, 1, 0]), value).sum().backward()
        assert value.grad is not None
        assert value.grad.item() == 4


def test_the_count_of_nonzero_elements_has_gradient_zero() -> None:
    x = us.tensor([0.0, 2.0, float("nan")], requires_grad=True)
    norm = us.norm(x, 0)
    norm.backward()
    assert norm.item() == 2
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0]


def test_integers_stay_integers_where_numbers_are_only_held_in_an_interval() -> None:
    x = us.tensor([0, 1, 3, 5, -4])
    assert F.hardtanh(x, -0.5, 2.7).tolist() == [0, 1, 2, 2, 0]
    assert F.hardtanh(x, -0.5, 2.7).dtype == us.int64
    with pytest.raises(RuntimeError, match="uint8"):
        F.hardtanh(x.to(us.uint8))
    with pytest.raises(RuntimeError, match="bool"):
        F.hardtanh(x.bool())


def test_a_lone_operand_of_einsum_sums_as_sum_does() -> None:
    x = us.tensor([200, 100], dtype=us.uint8)
    assert us.einsum("i->", x).item() == 300
    assert us.einsum("i,j->ij", x, x).dtype == us.uint8
    assert us.einsum("ik,j->ij", x.reshape(1, 2), x).tolist() == [[60000, 30000]]


def test_norms_have_no_slope_where_an_element_is_zero() -> None:
    for p in (0.5, 1.5):
        x = us.tensor([0.0, 3.0], dtype=us.float64, requires_grad=True)
        (slope,) = us.autograd.grad(us.norm(x, p), x, create_graph=True)
        assert us.allclose(slope, us.tensor([0.0, 1.0], dtype=us.float64))
        (bend,) = us.autograd.grad(slope.sum(), x)
        assert bool(us.isfinite(bend).all())


def test_narrow_uniform_numbers_stay_below_the_end() -> None:
    assert float(us.zeros(2000, dtype=us.bfloat16).uniform_(1, 2).max()) < 2


def test_a_number_cannot_be_rolled_along_a_dimension() -> None:
    assert us.roll(us.tensor(1.0), 1).item() == 1
    with pytest.raises(IndexError, match="0-d"):
        us.roll(us.tensor(1.0), 1, 0)


@pytest.mark.parametrize("name", ["vstack", "hstack", "dstack", "column_stack", "stack"])
def test_nothing_cannot_be_stacked(name: str) -> None:
    with pytest.raises(RuntimeError, match=name):
        getattr(us, name)([])


def test_batch_norm_of_no_samples_gives_none() -> None:
    assert F.batch_norm(us.zeros(0), us.zeros(0), us.zeros(0), training=True).shape == (0,)
    with pytest.raises(IndexError):
        F.batch_norm(us.zeros(5), us.zeros(5), us.zeros(5))


def test_adaptive_pooling_wants_channels() -> None:
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        with pytest.raises(ValueError, match=name):
            getattr(F, name)(us.zeros(2, 2), (2, 2))


# Convolution ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [np.inf, np.nan])
@pytest.mark.parametrize(("filters", "size", "stride"), [(1, 13, 1), (6, 28, 1), (8, 11, 2), (16, 9, 1)])
def test_what_is_not_finite_reaches_only_the_taps_that_touch_it(
    poison: float, filters: int, size: int, stride: int
) -> None:
    rng = np.random.default_rng(filters)
    image = rng.standard_normal((2, 3, size, size)).astype(np.float32)
    image[1, 2, 0, 0] = poison  # seen by the first tap alone
    weight = us.zeros(filters, 3, 4, 4, requires_grad=True)
    F.conv2d(us.from_numpy(image), weight, stride=stride).sum().backward()
    assert weight.grad is not None
    is_spoilt = ~us.isfinite(weight.grad)
    assert is_spoilt[:, 2, 0, 0].all()
    assert int(is_spoilt.sum()) == filters


# Creation and random numbers ------------------------------------------------------------------------------


def test_factories_write_into_out() -> None:
    target = us.zeros(4)
    assert us.arange(4, out=target) is target
    assert target.tolist() == [0, 1, 2, 3]
    assert us.linspace(us.tensor(1), 4, 4, out=us.zeros(4, dtype=us.int64)).tolist() == [1, 2, 3, 4]
    assert us.ones(2, 2, out=us.empty(0)).tolist() == [[1, 1], [1, 1]]
    assert us.logspace(0, 3, 4, out=us.zeros(4)).tolist() == [1, 10, 100, 1000]
    us.manual_seed(1)
    drawn = us.rand(3)
    us.manual_seed(1)
    assert us.equal(us.rand(3, out=us.zeros(3)), drawn)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: us.zeros(3, out=us.zeros(2)), RuntimeError),
        (lambda: us.zeros(3, out=us.zeros(3), dtype=us.int64), RuntimeError),
        (lambda: us.zeros(3, out=3), TypeError),
        (lambda: us.zeros_like(us.zeros(3), out=us.zeros(3)), NotImplementedError),
        (lambda: us.linspace(us.tensor([1, 2]), 3, 4), RuntimeError),
        (lambda: us.arange(0, 64, 0.5, dtype=us.int64), ValueError),
        (lambda: us.arange(0, 64, 0), RuntimeError),
        (lambda: us.fill(us.zeros(2), us.zeros(2)), RuntimeError),
        (lambda: us.normal(0.0, -1.0, (2,)), RuntimeError),
        (lambda: us.normal(us.zeros(2), -us.ones(2)), RuntimeError),
        (lambda: us.normal(us.zeros(2), 1.0, size=(2,)), TypeError),
        (lambda: us.normal(us.zeros(2, dtype=us.int64), 1.0), NotImplementedError),
        (lambda: us.cov(X, fweights=us.ones(4)), RuntimeError),
        (lambda: us.cov(X, fweights=us.tensor([1, -1, 1, 1])), RuntimeError),
        (lambda: us.cov(X, aweights=us.tensor([1, 2, 1, 1])), RuntimeError),
        (lambda: us.cov(X, fweights=us.tensor([0, 0, 0, 0])), RuntimeError),
        (lambda: us.cov(X, aweights=us.ones(3)), RuntimeError),
        (lambda: us.cov(us.ones(2, 2).bool()), RuntimeError),
        (lambda: us.addbmm(X, us.ones(2, 3, 2), us.ones(2, 3, 4)), RuntimeError),
        (lambda: F.rrelu(X, 0.9, 0.1), RuntimeError),
    ],
)
def test_bad_calls_raise(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


def test_exponents_of_integer_dtypes_are_integers() -> None:
    assert us.logspace(0.5, 4.2, 5, dtype=us.int64).tolist() == [1, 10, 100, 1000, 10000]
    assert us.logspace(-2, 3, 7, base=2, dtype=us.int32).tolist() == [0, 0, 0, 1, 2, 4, 8]


def test_scaled_sums_of_integers_stay_integers() -> None:
    ones = us.ones(1, 2, 2, dtype=us.int64)
    assert us.addbmm(ones[0], ones, ones, beta=3, alpha=2).tolist() == [[7, 7], [7, 7]]
    assert us.addr(us.zeros(2, 2).bool(), us.ones(2).bool(), us.ones(2).bool()).dtype == us.bool


def test_normal_numbers_by_element_or_of_one_size() -> None:
    us.manual_seed(3)
    plain = us.randn(5, dtype=us.float64)
    std = us.linspace(0.5, 2, 5, dtype=us.float64)
    us.manual_seed(3)
    assert us.allclose(us.normal(2.7, std), plain * std + 2.7)
    us.manual_seed(3)
    assert us.allclose(us.normal(1.5, 2.0, (5,), dtype=us.float64), plain * 2 + 1.5)
    target = us.zeros(5, dtype=us.float64)
    us.manual_seed(3)
    assert us.normal(std, std, out=target) is target
    assert us.allclose(target, plain * std + std)
    assert us.normal(0.0, 1.0, (2,), requires_grad=True).requires_grad
    assert us.normal(us.zeros(2), std[:2]).dtype == us.float32


def test_fills_follow_the_order_of_memory() -> None:
    for fill in (us.Tensor.uniform_, us.Tensor.exponential_, us.Tensor.random_):
        us.manual_seed(5)
        wanted = fill(us.zeros(4, 6))
        us.manual_seed(5)
        assert us.equal(fill(us.zeros(4, 6).t()), wanted.t())


def test_normal_fills_of_views_draw_one_by_one() -> None:
    us.manual_seed(3)
    pieces = us.cat([us.zeros(12).normal_() for _ in range(2)])
    us.manual_seed(3)
    assert us.equal(us.zeros(48)[::2].normal_(), pieces)
    us.manual_seed(3)
    assert us.equal(us.zeros(4, 6).t().normal_(), pieces.reshape(4, 6).t())


def test_narrow_normals_skip_no_numbers_before_their_last_block() -> None:
    us.manual_seed(3)
    uniforms = us.rand(32)
    us.manual_seed(3)
    drawn = us.randn(20, dtype=us.bfloat16)
    radius = (-2 * us.log1p(-uniforms[16:24])).sqrt()
    angle = 2 * us.pi * uniforms[24:]
    last = us.cat([radius * angle.cos(), radius * angle.sin()])
    assert us.allclose(drawn[4:].float(), last, rtol=1e-2, atol=1e-2)


def test_rrelu_draws_for_negative_elements_only() -> None:
    x = us.tensor([1.0, -1.0, 2.0, -1.0])
    us.manual_seed(1)
    slopes = us.zeros(2, dtype=us.float64).uniform_(0.1, 0.9).float()
    us.manual_seed(1)
    result = F.rrelu(x, 0.1, 0.9, training=True)
    assert us.equal(result, us.stack([x[0], -slopes[0], x[2], -slopes[1]]))


# Images and special functions -----------------------------------------------------------------------------


def test_bytes_are_resized_in_fixed_point() -> None:
    image = (us.arange(64) * 37 % 256).reshape(1, 1, 8, 8).to(us.uint8)
    for mode, size in (("bilinear", (5, 13)), ("bicubic", (8, 13)), ("bicubic", (5, 8))):
        exact = F.interpolate(image.double(), size, mode=mode)
        bytes_ = F.interpolate(image, size, mode=mode)
        assert bytes_.dtype == us.uint8
        # Each direction rounds.
        assert float((bytes_.double() - exact.clamp(0, 255)).abs().max()) < 1.5
    column = us.tensor([0, 255], dtype=us.uint8).reshape(1, 1, 2, 1)
    assert F.interpolate(column, (4, 1), mode="bilinear").flatten().tolist() == [0, 64, 191, 255]


def test_left_out_corners_are_warned_of() -> None:
    image, grid = us.zeros(1, 1, 2, 2), us.zeros(1, 2, 2, 2)
    with pytest.warns(UserWarning, match="align_corners"):
        F.grid_sample(image, grid)
    with pytest.warns(UserWarning, match="align_corners"):
        F.affine_grid(us.zeros(1, 2, 3), (1, 1, 2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.grid_sample(image, grid, align_corners=False)
        F.affine_grid(us.zeros(1, 2, 3), (1, 1, 2, 2), align_corners=True)


# Abramowitz and Stegun 1964, tables 9.8 and 9.11, and the series at 0.1 and 20.
BESSEL = {
    "i0": {0.0: 1.0, 0.1: 1.0025015629340956, 1.0: 1.2660658777520084, -20.0: 43558282.55955353},
    "i1": {0.0: 0.0, 0.1: 0.0500625260470927, 1.0: 0.5651591039924851, -20.0: -42454973.38512777},
}


@pytest.mark.parametrize("name", BESSEL)
def test_modified_bessel_functions(name: str) -> None:
    points = us.tensor(list(BESSEL[name]), dtype=us.float64)
    values = us.tensor(list(BESSEL[name].values()), dtype=us.float64)
    assert us.allclose(getattr(special, name)(points), values, rtol=1e-14)
    scaled = getattr(special, f"{name}e")
    assert us.allclose(scaled(points), values * (-points.abs()).exp(), rtol=1e-14)
    assert bool(us.isfinite(scaled(us.tensor([1e4, -1e30]))).all())
    x = us.tensor([-11.0, -3.0, 0.0, 0.4, 7.9, 8.1, 30.0], dtype=us.float64, requires_grad=True)
    assert us.autograd.gradcheck(scaled, (x,))
    assert us.autograd.gradgradcheck(scaled, (x,))


def test_histograms_of_one_value_reach_half_a_unit_around_it() -> None:
    counts, edges = us.histogram(us.tensor([3.0, 3.0]), 2)
    assert (counts.tolist(), edges.tolist()) == ([0, 2], [2.5, 3, 3.5])


IN_PLACE_ON_INTEGERS = ["sinc_", "deg2rad_", "rad2deg_", "float_power_", "elu_", "selu_", "celu_"]


@pytest.mark.parametrize("name", IN_PLACE_ON_INTEGERS)
def test_fractions_are_not_written_into_integers(name: str) -> None:
    x = us.tensor([-1, 2, 3])
    function = getattr(x, name, None) or (lambda *args: getattr(F, name)(x, *args))
    with pytest.raises(RuntimeError, match="cannot be written into"):
        function(*([2] if name == "float_power_" else []))
    assert x.tolist() == [-1, 2, 3]


def test_renorm_in_place_keeps_the_gradient() -> None:
    x = us.tensor([[3.0, 4.0], [0.3, 0.4]], dtype=us.float64, requires_grad=True)
    y = x * 1
    y.renorm_(2, 0, 1.0)
    (first,) = us.autograd.grad(y.sum(), x)
    (second,) = us.autograd.grad(x.renorm(2, 0, 1.0).sum(), x)
    assert first.tolist() == second.tolist()


def test_an_extremum_over_no_elements_is_refused_for_every_dtype() -> None:
    for dtype in (us.bool, us.int64, us.float32):
        for extremum in (us.amax, us.amin):
            with pytest.raises(IndexError, match="no elements"):
                extremum(us.zeros(2, 0, dtype=dtype), -1)
            assert extremum(us.zeros(2, 0, dtype=dtype), 0).shape == (0,)


def test_fractional_pooling_takes_places_for_more_pictures_than_there_are() -> None:
    samples = us.rand(3, 2, 3)
    for x in (us.randn(1, 2, 5, 5, 5), us.randn(2, 5, 5, 5)):
        pooled = us.nn.functional.fractional_max_pool3d(x, 2, output_ratio=0.5, _random_samples=samples)
        first = us.nn.functional.fractional_max_pool3d(x, 2, output_ratio=0.5, _random_samples=samples[:1])
        assert pooled.tolist() == first.tolist()


def test_of_no_elements_all_are_true_and_none_is() -> None:
    for dtype in (us.bool, us.uint8, us.float32):
        nothing = us.zeros(2, 0, dtype=dtype)
        assert (bool(nothing.any()), bool(nothing.all())) == (False, True)
        assert nothing.any(1).tolist() == [False, False]
        assert nothing.all(1, keepdim=True).tolist() == [[True], [True]]
        assert nothing.any(0).shape == (0,)


def test_the_derivative_of_a_vanishing_deviation_is_zero() -> None:
    x = us.tensor([[2.0, 2.0], [1.0, 3.0]], requires_grad=True)
    x.std(1, correction=0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0], [-0.5, 0.5]]


def test_dropout_of_nothing_in_place_changes_nothing() -> None:
    x = us.tensor([0.5, 1.0], requires_grad=True)
    y = x.tanh()
    assert F.dropout(y, 0.0, inplace=True) is y
    y.sum().backward()
    assert x.grad is not None


def test_distinct_elements_keep_their_dtype() -> None:
    for dtype in (us.int8, us.int16, us.float16, us.bool, us.int64):
        x = us.tensor([1, 0, 1]).to(dtype)
        for find in (us.unique, us.unique_consecutive):
            assert find(x).dtype == dtype
            assert find(x.reshape(3, 1), dim=0).dtype == dtype


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", [7.0, 9.0]),
        ("sub", [3.0, 1.0]),
        ("subtract", [3.0, 1.0]),
        ("mul", [10.0, 20.0]),
        ("multiply", [10.0, 20.0]),
        ("div", [2.5, 1.25]),
        ("true_divide", [2.5, 1.25]),
        ("floor_divide", [2.0, 1.0]),
    ],
)
def test_the_first_operand_may_be_a_number(name: str, expected: list[float]) -> None:
    x = us.tensor([2.0, 4.0], dtype=us.float64, requires_grad=True)
    result = getattr(us, name)(5, x)
    assert (result.tolist(), result.dtype) == (expected, us.float64)
    if name != "floor_divide":
        result.sum().backward()
        h = 1e-6
        slope = (getattr(us, name)(5, x.detach() + h) - getattr(us, name)(5, x.detach() - h)) / (2 * h)
        np.testing.assert_allclose(x.grad.numpy(), slope.numpy(), rtol=1e-8)
    assert us.bitwise_left_shift(1, us.tensor([2])).item() == 4
    assert us.bitwise_right_shift(8, us.tensor([2])).item() == 2


def test_shifts_change_a_tensor_in_its_own_memory() -> None:
    x = us.tensor([1, 3])
    same = x
    x <<= 2
    assert x is same
    assert same.tolist() == [4, 12]
    x >>= us.tensor([1, 2])
    assert x is same
    assert same.tolist() == [2, 3]
    assert us.Tensor.__rdiv__(us.tensor(4.0), 2).item() == 0.5


def test_probabilities_have_no_class_to_ignore() -> None:
    x, p = us.randn(2, 3), us.full((2, 3), 1 / 3)
    with pytest.raises(RuntimeError, match="ignore_index is not supported for floating point target"):
        F.cross_entropy(x, p, ignore_index=1)
    assert F.cross_entropy(x, p, ignore_index=-100).shape == ()


def test_normal_takes_the_options_of_other_factories() -> None:
    us.manual_seed(3)
    a = us.normal(1.0, 2.0, (3,), layout=us.strided, pin_memory=False, dtype=us.float64)
    us.manual_seed(3)
    assert us.equal(a, us.normal(1.0, 2.0, (3,), dtype=us.float64))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_pools_with_indices_take_return_indices(ndim: int) -> None:
    x = us.randn(1, 2, *[6] * ndim)
    for name, size in ((f"max_pool{ndim}d", 2), (f"adaptive_max_pool{ndim}d", 3)):
        expected = getattr(F, name)(x, size, return_indices=True)
        for given in (True, False):
            got = getattr(F, f"{name}_with_indices")(x, size, return_indices=given)
            assert us.equal(got[0], expected[0])
            assert us.equal(got[1], expected[1])


@pytest.mark.parametrize(
    "f",
    [
        F.relu,
        F.relu6,
        F.hardtanh,
        F.hardshrink,
        F.softshrink,
        lambda x: F.threshold(x, 0.1, 2.0),
        lambda x: us.maximum(x, us.zeros(())),
        lambda x: us.minimum(us.zeros(()), x),
    ],
)
def test_nan_keeps_its_cotangent(f: Callable[[us.Tensor], us.Tensor]) -> None:
    # With 0 instead, a network in which a NaN appears would go on training around it.
    x = us.tensor([float("nan"), 0.3], requires_grad=True)
    (g,) = us.autograd.grad(f(x), x, us.tensor([3.0, 0.0]))
    assert g.tolist() == [3, 0]


def test_the_loser_of_a_maximum_gets_zero_of_an_infinite_cotangent() -> None:
    a, b = us.tensor([1.0, 2.0], requires_grad=True), us.tensor([2.0, 2.0], requires_grad=True)
    ga, gb = us.autograd.grad(us.maximum(a, b), [a, b], us.tensor([float("inf"), 4.0]))
    assert ga.tolist() == [0, 2]
    assert gb.tolist() == [float("inf"), 2]


def test_atan2_has_no_slope_at_the_origin() -> None:
    y, x = us.tensor([0.0, 1.0], requires_grad=True), us.tensor([0.0, 0.0], requires_grad=True)
    gy, gx = us.autograd.grad(us.atan2(y, x).sum(), [y, x])
    assert gy.tolist() == [0, 0]
    assert gx.tolist() == [0, -1]


@pytest.mark.parametrize("f", [F.relu, F.leaky_relu, F.relu6, F.hardtanh, lambda x: F.threshold(x, 0.0, 0.0)])
def test_second_derivatives_of_piecewise_linear_functions_are_zero_not_missing(
    f: Callable[[us.Tensor], us.Tensor],
) -> None:
    x = us.tensor([-0.4, 0.3, 2.0], requires_grad=True)
    (g,) = us.autograd.grad((f(x) * 3).sum(), x, create_graph=True)
    (second,) = us.autograd.grad(g.sum(), x)
    assert second.tolist() == [0, 0, 0]


@pytest.mark.parametrize("p", [3, 4, 6, 0.5])
def test_norms_in_half_precision_do_not_overflow_on_the_way(p: float) -> None:
    x = us.tensor([8.5, -4.25], dtype=us.float16, requires_grad=True)
    y = us.linalg.vector_norm(x, p)
    exact = us.linalg.vector_norm(x.detach().double(), p)
    assert y.dtype == us.float16
    assert y.item() == pytest.approx(exact.item(), rel=1e-3)
    assert us.autograd.grad(y, x)[0].isfinite().all()
    assert us.dist(x, us.zeros(2, dtype=us.float16), p).item() == y.item()
