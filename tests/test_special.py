"""Bessel and incomplete gamma functions and orthogonal polynomials, against integrals and NumPy's series."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Chebyshev, Hermite, HermiteE, Laguerre, Legendre

import unspool as us
from unspool import masked, special
from unspool.autograd import gradcheck, gradgradcheck
from unspool.distributions import Chi2, Gamma

Array = Any

# Trapezoids over a period, or over all reals where the function falls off twice exponentially, are exact to
# rounding (https://dlmf.nist.gov/10.9, https://dlmf.nist.gov/10.32).
CIRCLE = (np.arange(2000) + 0.5) * math.pi / 2000
LINE = np.linspace(0, 40, 40001)


def bessel_j(order: int, x: Array) -> Array:
    return np.cos(order * CIRCLE - x[:, None] * np.sin(CIRCLE)).mean(1)


def bessel_k(order: int, x: Array) -> Array:
    with np.errstate(over="ignore"):
        height = np.exp(-x[:, None] * (np.cosh(LINE) - 1) + order * LINE)
        height += np.exp(-x[:, None] * (np.cosh(LINE) - 1) - order * LINE)
    return (height.sum(1) - height[:, 0] / 2) * (LINE[1] / 2)


POINTS = np.array([0.1, 0.5, 1.0, 2.0, 3.5, 7.0, 9.9, 20.0, 50.0])


def test_bessel_functions_of_the_first_kind_are_their_integrals() -> None:
    x = np.concatenate([-POINTS, [0.0], POINTS])
    for order, function in enumerate((special.bessel_j0, special.bessel_j1)):
        np.testing.assert_allclose(function(us.tensor(x)).numpy(), bessel_j(order, x), rtol=1e-13, atol=1e-15)


def test_bessel_functions_of_the_second_kind_follow_from_the_wronskian() -> None:
    # J1 Y0 - J0 Y1 = 2 / (pi x), and one value fixes what it leaves open.
    x = us.tensor(POINTS)
    wronskian = special.bessel_j1(x) * special.bessel_y0(x) - special.bessel_j0(x) * special.bessel_y1(x)
    np.testing.assert_allclose(wronskian.numpy(), 2 / (math.pi * POINTS), rtol=1e-13)
    assert float(special.bessel_y0(us.tensor(1.0, dtype=us.float64))) == pytest.approx(
        0.08825696421567696, 1e-15
    )
    assert special.bessel_y0(us.tensor([0.0, -1.0])).tolist()[0] == -math.inf
    assert math.isnan(special.bessel_y1(us.tensor([0.0, -1.0])).tolist()[1])


def test_modified_bessel_functions_of_the_second_kind_are_their_integrals() -> None:
    x = us.tensor(POINTS)
    for order, scaled, plain in (
        (0, special.scaled_modified_bessel_k0, special.modified_bessel_k0),
        (1, special.scaled_modified_bessel_k1, special.modified_bessel_k1),
    ):
        expected = bessel_k(order, POINTS)
        np.testing.assert_allclose(scaled(x).numpy(), expected, rtol=1e-13)
        np.testing.assert_allclose(plain(x).numpy(), expected * np.exp(-POINTS), rtol=1e-13)
        ends = scaled(us.tensor([0.0, -1.0, math.inf, math.nan, 1e-30, 1e30], dtype=us.float64)).tolist()
        small = 1e30 if order else -math.log(1e-30 / 2) - 0.5772156649015329
        np.testing.assert_allclose(
            ends, [math.inf, math.nan, 0, math.nan, small, math.sqrt(math.pi / 2e30)], rtol=1e-14
        )
    assert special.modified_bessel_i0(x).tolist() == special.i0(x).tolist()
    assert special.modified_bessel_i1(x).tolist() == special.i1(x).tolist()


def test_spherical_bessel_function() -> None:
    x = np.array([0.0, 1e-9, 0.05, -0.0999, 0.1001, 2.0, 1e5])
    np.testing.assert_allclose(
        special.spherical_bessel_j0(us.tensor(x)).numpy(), np.sinc(x / math.pi), rtol=1e-13, atol=1e-16
    )
    assert float(special.spherical_bessel_j0(us.tensor(math.inf))) == 0


@pytest.mark.parametrize(
    "function",
    [
        special.bessel_j0,
        special.bessel_j1,
        special.bessel_y0,
        special.bessel_y1,
        special.modified_bessel_k0,
        special.modified_bessel_k1,
        special.scaled_modified_bessel_k0,
        special.scaled_modified_bessel_k1,
        special.spherical_bessel_j0,
        lambda x: special.gammainc(us.tensor([0.7, 2.5, 9.0], dtype=us.float64), x),
        lambda x: special.gammaincc(us.tensor([0.7, 2.5, 9.0], dtype=us.float64), x),
        lambda x: special.hermite_polynomial_h(x, us.tensor([1, 4, 5])),
        lambda x: special.laguerre_polynomial_l(x, 3),
        lambda x: special.shifted_chebyshev_polynomial_w(x, 4),
    ],
)
def test_derivatives_of_both_orders(function: Callable[[us.Tensor], us.Tensor]) -> None:
    x = us.tensor([0.4, 1.7, 6.0], dtype=us.float64, requires_grad=True)
    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))


def test_bessel_j1_has_its_slope_at_zero() -> None:
    x = us.zeros(1, dtype=us.float64, requires_grad=True)
    (slope,) = us.autograd.grad(special.bessel_j1(x).sum(), x, create_graph=True)
    assert slope.tolist() == [0.5]
    assert us.autograd.grad(slope.sum(), x)[0].tolist() == [0]


@pytest.mark.parametrize("a", [0.5, 1.0, 2.5, 20.0, 300.0, 5e3, 1e5, 1e8])
def test_incomplete_gamma_functions_add_up_and_step_by_their_recurrence(a: float) -> None:
    # P(a, x) = P(a + 1, x) + x^a exp(-x) / Gamma(a + 1), https://dlmf.nist.gov/8.8.E5
    x = us.tensor(a * (1 + np.linspace(-0.9 * min(3, math.sqrt(a)), 3, 41) / math.sqrt(a)))
    order = us.full_like(x, a)
    lower, upper = us.igamma(order, x), us.igammac(order, x)
    np.testing.assert_allclose((lower + upper).numpy(), 1, rtol=1e-13)
    assert bool((lower.diff() > 0).all())
    step = us.exp(a * (x / a).log() - (x - a) + (a * math.log(a) - a - math.lgamma(a + 1)))
    np.testing.assert_allclose((lower - us.igamma(order + 1, x)).numpy(), step.numpy(), rtol=3e-7, atol=1e-14)


def test_incomplete_gamma_functions_at_known_points() -> None:
    x = np.array([1e-3, 0.2, 0.9, 1.5, 3.0, 12.0, 40.0])
    one, half = us.ones(7, dtype=us.float64), us.full((7,), 0.5, dtype=us.float64)
    t = us.tensor(x)
    np.testing.assert_allclose(us.igamma(one, t).numpy(), -np.expm1(-x), rtol=1e-14)
    np.testing.assert_allclose(us.igammac(one, t).numpy(), np.exp(-x), rtol=1e-14)
    np.testing.assert_allclose(us.igamma(half, t).numpy(), [math.erf(math.sqrt(v)) for v in x], rtol=1e-14)
    np.testing.assert_allclose(us.igammac(half, t).numpy(), [math.erfc(math.sqrt(v)) for v in x], rtol=2e-14)


def test_incomplete_gamma_functions_at_the_ends() -> None:
    a = us.tensor([1.0, 0, 0, -1, math.inf, 1, math.inf, 2, 3])
    x = us.tensor([2.0, 0, 1, 1, 1, math.inf, math.inf, -1, 0])
    expected = [1 - math.exp(-2), math.nan, 1, math.nan, 0, 1, math.nan, math.nan, 0]
    np.testing.assert_allclose(us.igamma(a, x).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(us.igammac(a, x).numpy(), 1 - np.array(expected), rtol=1e-6)
    far = us.tensor([1e16, 1e300, 1.5e308], dtype=us.float64)
    for ratio, lower in ((0.5, 0), (1.0, 0.5), (1.15, 1)):
        np.testing.assert_allclose(us.igamma(far, far * ratio).numpy(), lower, rtol=1e-7)
        np.testing.assert_allclose(us.igammac(far, far * ratio).numpy(), 1 - lower, rtol=1e-7)
    a.requires_grad_()
    with pytest.raises(NotImplementedError, match="only the derivative by other"):
        us.igamma(a, x).sum().backward()


def test_gamma_distributions_have_their_distribution_functions() -> None:
    assert float(Gamma(us.tensor(1.0), us.tensor(2.0)).cdf(us.tensor(1.5))) == pytest.approx(1 - math.exp(-3))
    assert float(Chi2(us.tensor(2.0)).cdf(us.tensor(3.0))) == pytest.approx(1 - math.exp(-1.5))


X = np.array([-1.5, -1.0, -0.3, 0.0, 0.4, 1.0, 2.5])


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("chebyshev_polynomial_t", lambda n: Chebyshev.basis(n)),
        ("hermite_polynomial_h", lambda n: Hermite.basis(n)),
        ("hermite_polynomial_he", lambda n: HermiteE.basis(n)),
        ("laguerre_polynomial_l", lambda n: Laguerre.basis(n)),
        ("legendre_polynomial_p", lambda n: Legendre.basis(n)),
        ("shifted_chebyshev_polynomial_t", lambda n: lambda x: Chebyshev.basis(n)(2 * x - 1)),
        ("chebyshev_polynomial_u", lambda n: Chebyshev.basis(n + 1).deriv() / (n + 1)),
    ],
)
def test_polynomials_are_numpys(name: str, series: Callable[[int], Callable[[Array], Array]]) -> None:
    function = getattr(special, name)
    for n in range(9):
        found = function(us.tensor(X), n)
        np.testing.assert_allclose(found.numpy(), series(n)(X), rtol=1e-12, atol=1e-12)
    degrees = us.arange(-1, 6)
    together = function(us.tensor(X)[:, None], degrees)
    for column, n in enumerate(degrees.tolist()):
        expected = np.zeros_like(X) if n < 0 else series(n)(X)
        np.testing.assert_allclose(together[:, column].numpy(), expected, rtol=1e-12, atol=1e-12)
    assert function(0.5, us.tensor([2])).dtype == us.float32
    assert function(us.tensor(X), -1).tolist() == [0] * len(X)
    with pytest.raises(TypeError, match=name):
        function(0.5, 2)


@pytest.mark.parametrize("prefix", ["", "shifted_"])
def test_chebyshev_polynomials_of_the_third_and_fourth_kind(prefix: str) -> None:
    angle = np.linspace(0.1, 3.0, 9)
    x = us.tensor((np.cos(angle) + 1) / 2 if prefix else np.cos(angle))
    for n in range(7):
        v = getattr(special, f"{prefix}chebyshev_polynomial_v")(x, n).numpy()
        w = getattr(special, f"{prefix}chebyshev_polynomial_w")(x, n).numpy()
        np.testing.assert_allclose(v, np.cos((n + 0.5) * angle) / np.cos(angle / 2), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(w, np.sin((n + 0.5) * angle) / np.sin(angle / 2), rtol=1e-9, atol=1e-12)


def test_special_functions_are_part_of_captured_steps() -> None:
    x = us.tensor([0.5, 1.5, 2.5], requires_grad=True)
    mask = us.tensor([True, False, True])

    def loss(x: us.Tensor) -> us.Tensor:
        shares = masked.softmax(special.bessel_j0(x), 0, mask=mask)
        terms = shares * special.legendre_polynomial_p(x, 3) * us.igamma(us.full_like(x, 2.0), x)
        return terms.sum() + masked.norm(x, mask=mask)

    captured = us.compile(loss)
    for _ in range(3):
        assert float(captured(x)) == float(loss(x))
        found = us.autograd.grad(captured(x), x)[0]
        assert found.tolist() == us.autograd.grad(loss(x), x)[0].tolist()


def test_the_normal_quantile_is_accurate_in_both_tails() -> None:
    p = [1e-300, 1e-20, 1e-6, 0.0199, 0.3, 1 - 2**-40, 0.0, 1.0]
    z = [
        -37.0470962993612,
        -9.262340089798409,
        -4.753424308822899,
        -2.055818646612404,
        -0.5244005127080409,
        7.047700256664409,
        -np.inf,
        np.inf,
    ]
    np.testing.assert_allclose(special.ndtri(us.tensor(p, dtype=us.float64)).numpy(), z, rtol=2e-15)
    np.testing.assert_allclose(special.ndtri(us.tensor(p[1:5])).numpy(), z[1:5], rtol=5e-7)
    assert special.ndtri(us.tensor([-0.1, 1.1])).isnan().all()
    inner = us.tensor([0.01, 0.3, 0.5, 0.9], dtype=us.float64, requires_grad=True)
    assert us.autograd.gradcheck(special.ndtri, inner)
    assert us.autograd.gradgradcheck(special.ndtri, inner)


def test_a_number_beside_a_tensor_keeps_its_digits() -> None:
    x = us.tensor(2.0, dtype=us.float64)
    np.testing.assert_allclose(
        special.xlog1py(x, 3.149651081984324).item(), 2 * np.log1p(3.149651081984324), rtol=1e-15
    )
    np.testing.assert_allclose(
        special.xlog1py(3.149651081984324, x).item(), 3.149651081984324 * np.log(3), rtol=1e-15
    )


def test_a_degree_that_would_take_for_ever_is_refused() -> None:
    x = us.tensor([0.5])
    for degree in (100_001, us.tensor([3.0, 1e20]), us.tensor([2**62])):
        with pytest.raises(NotImplementedError, match=r"chebyshev_polynomial_t\(\): degree .* up to 100000"):
            special.chebyshev_polynomial_t(x, degree)
    assert special.legendre_polynomial_p(x, us.zeros(0, 1)).shape == (0, 1)


@pytest.mark.parametrize("name", ["i0", "i1", "i0e", "i1e"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-6), ("float16", 3e-3), ("bfloat16", 2e-2)])
def test_slopes_of_bessel_functions_in_lower_precision(name: str, dtype: str, tolerance: float) -> None:
    # Up to 8 the terms of a power series count, whose derivatives overflowed.
    points = us.linspace(-10.5, 10.5, 43).to(getattr(us, dtype))
    slopes = []
    for kind in (points.dtype, us.float64):
        x = points.to(kind).requires_grad_()
        value = getattr(special, name)(x)
        assert value.dtype == kind
        (slope,) = us.autograd.grad(value.sum(), x)
        slopes.append((value.double().detach().numpy(), slope.double().numpy()))
    np.testing.assert_allclose(slopes[0][0], slopes[1][0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slopes[0][1], slopes[1][1], rtol=2 * tolerance, atol=tolerance)


def test_modified_bessel_functions_keep_their_slopes_up_to_where_they_overflow() -> None:
    points = us.tensor([-91.0, -88.9, 60.0, 90.5])
    order_0, order_1 = special.i0(points.double()), special.i1(points.double())
    slopes = {"i0": order_1, "i1": order_0 - order_1 / points.double()}
    for name, value in (("i0", order_0), ("i1", order_1)):
        x = points.clone().requires_grad_()
        y = getattr(special, name)(x)
        y.sum().backward()
        assert x.grad is not None
        np.testing.assert_allclose(y.detach().numpy(), value.numpy(), rtol=5e-7)
        np.testing.assert_allclose(x.grad.numpy(), slopes[name].numpy(), rtol=5e-7)


@pytest.mark.parametrize("dtype", [us.float32, us.float64])
def test_polygamma_next_to_its_poles_keeps_its_digits(dtype: Any) -> None:
    near = us.tensor([-1e-7, -1e-12, -1e-15, 1e-15, -3e-8], dtype=dtype)
    x = near.double().numpy()
    tolerance = 2e-7 if dtype == us.float32 else 4e-15
    # psi_n(x) = (-1)^(n + 1) n! / x^(n + 1) + psi_n(1) + ..., of which all but the first is below 1e-6 of it.
    for n, constant in ((1, np.pi**2 / 6), (2, -2.4041138063191886)):
        pole = (-1) ** (n + 1) * math.factorial(n) / x ** (n + 1)
        expected = pole + constant
        found = special.polygamma(n, near).double().numpy()
        representable = np.abs(expected) < (1e38 if dtype == us.float32 else 1e300)
        np.testing.assert_allclose(found[representable], expected[representable], rtol=tolerance)


def test_xlog1py_has_the_slope_of_a_product_at_0() -> None:
    x = us.zeros(5, dtype=us.float64, requires_grad=True)
    y = us.tensor([3.0, -0.5, -1.0, -2.0, math.inf], dtype=us.float64)
    assert special.xlog1py(x, y).tolist() == [0.0] * 5
    (slope,) = us.autograd.grad(special.xlog1py(x, y).sum(), x)
    assert slope.tolist() == [math.log1p(3), math.log1p(-0.5), 0, 0, 0]
    assert special.xlog1py(us.zeros(1), math.nan).isnan().all()


def test_entr_is_infinitely_steep_at_0() -> None:
    x = us.tensor([0.0, 0.25, 1.0, math.nan], dtype=us.float64, requires_grad=True)
    value = special.entr(x)
    np.testing.assert_allclose(value.detach().numpy(), [0, 0.25 * math.log(4), 0, math.nan])
    (slope,) = us.autograd.grad(value.sum(), x, create_graph=True)
    np.testing.assert_allclose(slope.detach().numpy(), [math.inf, math.log(4) - 1, -1, math.nan])
    (curvature,) = us.autograd.grad(slope[:3].sum(), x)
    np.testing.assert_allclose(curvature.numpy()[:3], [-math.inf, -4, -1])
    assert special.entr(us.tensor([-1.0, -0.0])).tolist() == [-math.inf, 0]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 2e-14)])
def test_modified_bessel_functions_of_any_number(dtype: str, tolerance: float) -> None:
    for points in (np.linspace(-12, 12, 961), np.geomspace(1e-20, 85, 301), -np.geomspace(1e-3, 600, 77)):
        points = points[np.abs(points) < (87 if dtype == "float32" else 700)].astype(dtype)
        x = us.tensor(points)
        np.testing.assert_allclose(special.i0(x).numpy(), np.i0(points.astype(np.float64)), rtol=tolerance)
        scaled = special.i1e(x).double().numpy() * np.exp(np.abs(points.astype(np.float64)))
        np.testing.assert_allclose(special.i1(x).numpy(), scaled, rtol=2 * tolerance)


@pytest.mark.parametrize("dtype", [us.float32, us.float64, us.bfloat16])
def test_modified_bessel_functions_of_infinity_and_nothing(dtype: us.dtype) -> None:
    infinity = float("inf")
    x = us.tensor([infinity, -infinity, 1e30, -1e30, 0.0]).to(dtype)
    assert special.i0(x).tolist() == [infinity, infinity, infinity, infinity, 1.0]
    assert special.i1(x).tolist() == [infinity, -infinity, infinity, -infinity, 0.0]
    assert special.i0(us.full((3,), float("nan"), dtype=dtype)).isnan().all()
    assert special.i0(us.tensor([0, 1])).dtype == us.float32


@pytest.mark.parametrize("name", ["i0", "i1"])
def test_modified_bessel_functions_have_derivatives_of_both_orders(name: str) -> None:
    x = us.tensor([-9.3, -7.9, -2.0, -0.4, 0.3, 5.5, 8.2, 11.0], dtype=us.float64).requires_grad_()
    assert us.autograd.gradcheck(getattr(special, name), (x,))
    assert us.autograd.gradgradcheck(getattr(special, name), (x,))
    zero = us.zeros(1, dtype=us.float64).requires_grad_()
    (slope,) = us.autograd.grad(getattr(special, name)(zero).sum(), zero, create_graph=True)
    (curvature,) = us.autograd.grad(slope.sum(), zero)
    assert (slope.item(), curvature.item()) == ((0.0, 0.5) if name == "i0" else (0.5, 0.0))


def test_the_scaled_complementary_error_function_falls_without_bound_on_the_left() -> None:
    for dtype, ends in ((us.float32, [-9.0, -10.0]), (us.float64, [-26.0, -27.0])):
        x = us.tensor([-1000.0, ends[1], ends[0], -5.5, -4.5, 5.5, math.inf], dtype=dtype, requires_grad=True)
        y = us.special.erfcx(x)
        (slope,) = us.autograd.grad(y.sum(), x)
        assert y.tolist()[:2] == [math.inf, math.inf]
        assert slope.tolist()[:2] == [-math.inf, -math.inf]
        a = x.detach().double()
        exact = 2 * a * us.special.erfcx(a) - 2 / math.sqrt(math.pi)
        assert us.allclose(slope[2:6].double(), exact[2:6], rtol=2e-5 if dtype == us.float32 else 1e-12)
        assert slope[-1].item() == 0.0


def test_the_scaled_complementary_error_function_follows_from_its_symmetry() -> None:
    x = us.linspace(-8.0, 8.0, 101, dtype=us.float64)
    both = us.special.erfcx(x) + us.special.erfcx(-x)
    assert us.allclose(both, 2 * us.exp(x * x), rtol=1e-12)


@pytest.mark.parametrize("dtype", [us.float32, us.float64])
def test_modified_bessel_functions_grow_without_bound(dtype: us.dtype) -> None:
    x = us.tensor([-math.inf, -1e4, 1e4, math.inf], dtype=dtype, requires_grad=True)
    (slope,) = us.autograd.grad(special.i0(x).sum(), x, create_graph=True)
    assert slope.tolist() == [-math.inf, -math.inf, math.inf, math.inf]
    assert us.autograd.grad(slope.sum(), x)[0].tolist() == [math.inf] * 4
    assert us.autograd.grad(special.i1(x).sum(), x)[0].tolist() == [math.inf] * 4
    nothing = us.tensor([math.nan], dtype=dtype, requires_grad=True)
    assert us.autograd.grad(special.i1(nothing).sum(), nothing)[0].isnan().all()


def test_entropy_falls_without_bound_and_rises_from_both_zeros() -> None:
    x = us.tensor([0.0, -0.0, 1.0, math.inf, -1.0], dtype=us.float64, requires_grad=True)
    y = special.entr(x)
    assert y.tolist() == [0.0, 0.0, 0.0, -math.inf, -math.inf]
    assert not us.signbit(y[:2]).any()
    assert us.autograd.grad(y.sum(), x)[0].tolist()[:4] == [math.inf, math.inf, -1.0, -math.inf]
