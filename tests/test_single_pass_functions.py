"""Functions that once took several passes and now take one: the same values, gradients and special cases."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

import unspool as us
from unspool.autograd import gradcheck, gradgradcheck
from unspool.nn import functional as F

NAN, INFINITY = math.nan, math.inf


@pytest.mark.parametrize("order", range(1, 10))
@pytest.mark.parametrize("dtype", [us.float32, us.float64])
def test_polygamma_of_many_is_that_of_each(order: int, dtype: us.dtype) -> None:
    x = us.cat([us.linspace(0.01, 30, 53, dtype=dtype), us.tensor([1e6, 1e30, INFINITY], dtype=dtype)])
    each = [us.polygamma(order, one).item() for one in x]
    assert us.polygamma(order, x).tolist() == each


@pytest.mark.parametrize("order", range(1, 8))
def test_polygamma_of_one_is_zeta(order: int) -> None:
    zeta = sum(k ** -(order + 1.0) for k in range(1, 4000)) + 3999.5**-order / order
    expected = (-1) ** (order + 1) * math.factorial(order) * zeta
    found = us.polygamma(order, us.ones(9, dtype=us.float64))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "largest"), [(us.float16, 65504.0), (us.bfloat16, float(np.float32(3.3895313892515355e38)))]
)
def test_nan_to_num_gives_the_largest_number_of_the_dtype(dtype: us.dtype, largest: float) -> None:
    x = us.tensor([NAN, INFINITY, -INFINITY, -1.5], dtype=dtype)
    assert us.nan_to_num(x).float().tolist() == [0.0, largest, -largest, -1.5]


def test_nan_to_num_passes_gradients_where_the_input_is_finite() -> None:
    x = us.tensor([NAN, INFINITY, -INFINITY, -1.5], requires_grad=True)
    us.nan_to_num(x, 1.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0, 1]


def test_clamp_by_two_numbers_is_clamp_by_one_and_then_the_other() -> None:
    rng = np.random.default_rng(0)
    values = np.append(rng.standard_normal(45), [NAN, INFINITY, -INFINITY, 0.5, -0.25]).astype(np.float32)
    weight = us.tensor(rng.standard_normal(50).astype(np.float32))
    for low, high in ((-0.25, 0.5), (0.5, -0.25), (-INFINITY, 0.5), (0.5, 0.5)):
        x, y = us.tensor(values, requires_grad=True), us.tensor(values, requires_grad=True)
        once, twice = x.clamp(low, high), y.clamp(min=low).clamp(max=high)
        np.testing.assert_array_equal(once.detach().numpy(), twice.detach().numpy())
        once.backward(weight)
        twice.backward(weight)
        assert x.grad is not None
        assert y.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


@pytest.mark.parametrize("dtype", [us.int32, us.int64, us.uint8])
def test_third_powers_of_whole_numbers_wrap(dtype: us.dtype) -> None:
    x = us.arange(0, 200, 7).to(dtype)
    assert (x**3).tolist() == (x * x * x).tolist()
    assert (x**3).dtype == dtype


SMOOTH: dict[str, Callable[[us.Tensor], us.Tensor]] = {
    "cube": lambda x: x**3,
    "logit": lambda x: us.logit(x * 0.1 + 0.5),
    "elu": lambda x: F.elu(x, 0.7),
    "celu": lambda x: F.celu(x, 0.7),
    "selu": F.selu,
    "silu": F.silu,
    "softplus": lambda x: F.softplus(x, 1.5, 2.0),
    "glu": lambda x: F.glu(us.stack([x, x.flip(0) * 0.7]), 0),
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "softshrink": lambda x: F.softshrink(x, 0.3),
    "hardshrink": lambda x: F.hardshrink(x, 0.3),
    "clamp": lambda x: x.clamp(-0.9, 1.1),
    "nan_to_num": us.nan_to_num,
    "digamma": lambda x: us.digamma(x + 5),
}
POINTS = us.tensor([-3.7, -2.2, -0.81, -0.13, 0.21, 0.62, 1.37, 2.9, 3.4], dtype=us.float64)


@pytest.mark.parametrize("name", SMOOTH)
def test_first_and_second_derivatives_agree_with_differences(name: str) -> None:
    x = POINTS.clone().requires_grad_(True)
    assert gradcheck(SMOOTH[name], (x,))
    assert gradgradcheck(SMOOTH[name], (x,))


def test_prelu_has_derivatives_by_both_operands() -> None:
    for slopes, shape in itertools.product((1, 3), ((2, 3), (2, 3, 4))):
        x = us.linspace(-1.9, 2.3, math.prod(shape), dtype=us.float64).reshape(shape).requires_grad_(True)
        weight = us.linspace(0.2, 0.6, slopes, dtype=us.float64).requires_grad_(True)
        assert gradcheck(F.prelu, (x, weight))
        assert gradgradcheck(F.prelu, (x, weight))


LOSSES: dict[str, Callable[..., us.Tensor]] = {
    "mse": F.mse_loss,
    "huber": lambda x, t, **how: F.huber_loss(x, t, delta=0.7, **how),
    "smooth_l1": lambda x, t, **how: F.smooth_l1_loss(x, t, beta=0.7, **how),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses_of_a_difference_have_derivatives_by_both_operands(name: str, reduction: str) -> None:
    def loss(x: us.Tensor, target: us.Tensor) -> us.Tensor:
        return LOSSES[name](x, target, reduction=reduction)

    x, target = POINTS.clone().requires_grad_(True), (POINTS * 0.3 + 0.1).requires_grad_(True)
    assert gradcheck(loss, (x, target))
    assert gradgradcheck(loss, (x, target))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_a_difference_promote_and_take_integers(name: str) -> None:
    whole, half = us.tensor([0, 3, -2, 9]), us.tensor([0.5, 3.0, -4.0, 9.25])
    for a, b in itertools.product((whole, half, half.double(), half.half()), repeat=2):
        loss = LOSSES[name](a, b, reduction="none")
        gap = (a - b).double()
        expected = LOSSES[name](gap, us.zeros_like(gap), reduction="none")
        assert us.allclose(loss.double(), expected, rtol=1e-3 if loss.dtype == us.float16 else 1e-6)
        is_whole = a is whole and b is whole
        wide = us.int64 if name == "mse" else us.float32
        assert loss.dtype == (wide if is_whole else us.promote_types(a.dtype, b.dtype))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_a_difference_pass_nan_and_infinity(name: str) -> None:
    x = us.tensor([NAN, INFINITY, 1.0, -INFINITY]).requires_grad_(True)
    loss = LOSSES[name](x, us.tensor([0.0, 1.0, NAN, 2.0]), reduction="none")
    loss.backward(us.ones(4))
    assert loss.isnan().tolist() == [True, False, True, False]
    assert x.grad is not None
    assert x.grad.isnan().tolist() == [True, False, True, False]


def test_cosines_of_very_long_and_very_short_vectors() -> None:
    unit = us.tensor([[0.6, 0.8, 0.0], [0.0, 0.6, -0.8]])
    for a, b in itertools.product((1e-6, 1.0, 1e6, 1e15, 1e18), repeat=2):
        cosine = F.cosine_similarity(unit[0] * a, unit[1] * b, dim=0)
        assert abs(cosine.item() - 0.48) < 2e-6, (a, b)
    assert F.cosine_similarity(us.zeros(3), unit[0], dim=0).item() == 0
    assert F.cosine_similarity(unit[:, None], unit, dim=2).shape == (2, 2)


@pytest.mark.parametrize("shape", [(2,), (6, 5, 4), (40, 300), (3, 1000)])
def test_gated_halves_are_a_product_with_a_sigmoid(shape: tuple[int, ...]) -> None:
    x = us.tensor(np.random.default_rng(5).standard_normal(shape).astype(np.float32))
    for dim in range(len(shape)):
        if shape[dim] % 2:
            continue
        first, second = x.chunk(2, dim)
        assert us.equal(F.glu(x, dim), first * us.sigmoid(second))


def test_histograms_and_counts_of_unusual_numbers() -> None:
    x = us.tensor([NAN, -INFINITY, -3.0, -2.9999, 0.0, 2.999, 3.0, 3.0001, INFINITY])
    assert us.histc(x, 3, -3, 3).tolist() == [2.0, 1.0, 2.0]
    assert us.histc(us.tensor([5.0, 5.0]), 4).tolist() == [0.0, 0.0, 2.0, 0.0]
    assert us.histc(us.zeros(0), 4).tolist() == [0.0] * 4
    assert us.bincount(us.zeros(0, dtype=us.int64), minlength=2).tolist() == [0, 0]
    assert us.bincount(us.tensor([3, 1, 3]), minlength=2).tolist() == [0, 1, 0, 2]
    assert us.bincount(us.tensor([3, 1, 3]), us.tensor([0.5, 1.0, 2.0])).tolist() == [0.0, 1.0, 0.0, 2.5]
    with pytest.raises(RuntimeError, match="the smallest is -2"):
        us.bincount(us.tensor([3, -2]))


def test_kronecker_products_of_all_dimensions() -> None:
    rng = np.random.default_rng(6)
    for left, right in (((2, 3), (4, 5)), ((1, 1), (2, 2)), ((3,), (2, 2)), ((2, 3), (4,)), ((2, 0), (3, 2))):
        a, b = rng.standard_normal(left), rng.standard_normal(right)
        np.testing.assert_array_equal(us.kron(us.tensor(a), us.tensor(b)).numpy(), np.kron(a, b))


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
def test_exponential_units_are_straight_from_zero_on(name: str) -> None:
    x = us.tensor([-1.0, -0.0, 0.0, 1.0], dtype=us.float64, requires_grad=True)
    for y in (getattr(F, name)(x), getattr(F, name)(x * 1, inplace=True)):
        (slope,) = us.autograd.grad(y.sum(), x, create_graph=True)
        (bend,) = us.autograd.grad(slope.sum(), x)
        assert bend.tolist() == [slope[0].item(), 0.0, 0.0, 0.0]
