"""Functions composed in Python: rearranging, mathematics, statistics, aliases, against NumPy and calculus."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import special
from unspool._functions import aliases

RNG = np.random.default_rng(5)
Array = Any


def draw(*shape: int, low: float = -3, high: float = 3) -> Array:
    return RNG.uniform(low, high, shape)


def same(actual: Any, expected: Any, rtol: float = 1e-13) -> None:
    if isinstance(actual, tuple):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            same(a, e, rtol)
        return
    np.testing.assert_allclose(actual.detach().numpy(), np.asarray(expected), rtol=rtol, atol=rtol)
    assert tuple(actual.shape) == np.shape(expected)


V, M, C = draw(6), draw(4, 6), draw(2, 4, 6)
INTS = RNG.integers(-5, 6, (4, 6))

# name, arguments, what NumPy says
CASES: list[tuple[str, tuple[Any, ...], Callable[[], Any]]] = [
    ("hstack", ([M, M],), lambda: np.hstack([M, M])),
    ("hstack", ([V, V],), lambda: np.hstack([V, V])),
    ("vstack", ([V, M],), lambda: np.vstack([V, M])),
    ("row_stack", ([V, V],), lambda: np.vstack([V, V])),
    ("dstack", ([M, M],), lambda: np.dstack([M, M])),
    ("dstack", ([V, V],), lambda: np.dstack([V, V])),
    ("column_stack", ([V, draw(6, 2) * 0],), lambda: np.column_stack([V, np.zeros((6, 2))])),
    ("atleast_1d", (np.array(2.0),), lambda: np.array([2.0])),
    ("atleast_2d", (V,), lambda: V[None]),
    ("atleast_3d", (M,), lambda: M[:, :, None]),
    ("atleast_3d", (V,), lambda: V[None, :, None]),
    ("tensor_split", (M, 4, 1), lambda: np.array_split(M, 4, 1)),
    ("tensor_split", (M, [1, 3], 1), lambda: np.array_split(M, [1, 3], 1)),
    ("tensor_split", (V, [2, 9, -1]), lambda: [V[:2], V[2:], V[9:-1], V[-1:]]),
    ("hsplit", (M, 3), lambda: np.hsplit(M, 3)),
    ("vsplit", (M, [1, 2]), lambda: np.vsplit(M, [1, 2])),
    ("dsplit", (C, 2), lambda: np.dsplit(C, 2)),
    ("rot90", (M,), lambda: np.rot90(M)),
    ("rot90", (C, -1, [2, 0]), lambda: np.rot90(C, -1, (2, 0))),
    ("rot90", (M, 2), lambda: np.rot90(M, 2)),
    ("fliplr", (M,), lambda: np.fliplr(M)),
    ("flipud", (M,), lambda: np.flipud(M)),
    ("adjoint", (C,), lambda: np.swapaxes(C, 1, 2)),
    ("repeat_interleave", (M, 2), lambda: np.repeat(M, 2)),
    ("repeat_interleave", (M, 3, 1), lambda: np.repeat(M, 3, 1)),
    ("repeat_interleave", (M, np.array([1, 0, 2, 4]), 0), lambda: np.repeat(M, [1, 0, 2, 4], 0)),
    ("repeat_interleave", (np.array([1, 0, 2]),), lambda: np.array([0, 2, 2])),
    ("block_diag", (M, np.array(3.0), V), lambda: _block_diag(M, np.array([[3.0]]), V[None])),
    ("cartesian_prod", (V[:2], V[3:]), lambda: np.array([(a, b) for a in V[:2] for b in V[3:]])),
    ("combinations", (V[:3],), lambda: np.array([[V[0], V[1]], [V[0], V[2]], [V[1], V[2]]])),
    ("combinations", (V[:2], 2, True), lambda: np.array([[V[0], V[0]], [V[0], V[1]], [V[1], V[1]]])),
    ("tril_indices", (3, 4, -1), lambda: np.stack(np.tril_indices(3, -1, 4))),
    ("triu_indices", (3, 4, 1), lambda: np.stack(np.triu_indices(3, 1, 4))),
    ("vander", (V,), lambda: np.vander(V)),
    ("vander", (V, 3, True), lambda: np.vander(V, 3, True)),
    ("heaviside", (np.array([-1.0, 0, 2]), np.array(0.5)), lambda: np.array([0, 0.5, 1])),
    ("ldexp", (V, np.array([1, 2, -3, 0, 5, 1])), lambda: np.ldexp(V, [1, 2, -3, 0, 5, 1])),
    ("frexp", (V,), lambda: np.frexp(V)),
    ("logaddexp2", (V, V[::-1].copy()), lambda: np.logaddexp2(V, V[::-1])),
    ("sinc", (np.array([0.0, 0.5, 1, -2.25]),), lambda: np.sinc([0.0, 0.5, 1, -2.25])),
    ("float_power", (INTS, 2), lambda: INTS.astype(float) ** 2),
    ("deg2rad", (V,), lambda: np.deg2rad(V)),
    ("rad2deg", (V,), lambda: np.rad2deg(V)),
    ("isposinf", (np.array([np.inf, -np.inf, 1]),), lambda: np.array([True, False, False])),
    ("isneginf", (np.array([np.inf, -np.inf, 1]),), lambda: np.array([False, True, False])),
    ("isreal", (V,), lambda: np.ones(6, bool)),
    ("inner", (M, draw(3, 6) * 0 + 1), lambda: np.inner(M, np.ones((3, 6)))),
    ("vdot", (V, V), lambda: np.vdot(V, V)),
    ("trace", (M,), lambda: np.trace(M)),
    ("kron", (M, V), lambda: np.kron(M, V)),
    ("ger", (V, V), lambda: np.outer(V, V)),
    ("addr", (draw(6, 6) * 0, V, V), lambda: np.outer(V, V)),
    ("addbmm", (draw(4, 4) * 0, C, np.swapaxes(C, 1, 2).copy()), lambda: (C @ np.swapaxes(C, 1, 2)).sum(0)),
    ("nansum", (np.array([1, np.nan, 2]),), lambda: np.array(3.0)),
    ("nanmean", (np.array([[1, np.nan], [2, 4]]), 1), lambda: np.array([1.0, 3])),
    ("aminmax", (V,), lambda: (V.min(), V.max())),
    ("cov", (M,), lambda: np.cov(M)),
    ("corrcoef", (M,), lambda: np.corrcoef(M)),
    ("dist", (V, V * 2), lambda: np.linalg.norm(V)),
    ("bincount", (np.array([1, 3, 1]),), lambda: np.array([0, 2, 0, 1])),
    ("bincount", (np.array([1, 3, 1]), np.array([0.5, 1, 2]), 6), lambda: np.array([0, 2.5, 0, 1, 0, 0])),
    ("histc", (V, 4, -2, 2), lambda: np.histogram(V, 4, (-2, 2))[0]),
    ("histogram", (V, 5), lambda: np.histogram(V, 5)),
    ("histogram", (V, np.array([-3.0, 0, 1, 3])), lambda: np.histogram(V, [-3, 0, 1, 3])),
    ("logspace", (-1, 2, 4), lambda: np.logspace(-1, 2, 4).astype(np.float32)),
    ("range", (1, 4, 0.5), lambda: np.arange(1, 4.1, 0.5)),
]


def _block_diag(*blocks: Array) -> Array:
    whole = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        whole[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return whole


def tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return us.from_numpy(np.array(value))
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [tensors(each) for each in value]
    return value


@pytest.mark.parametrize(
    ("name", "args", "expected"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_functions_agree_with_numpy(name: str, args: tuple[Any, ...], expected: Callable[[], Any]) -> None:
    given = [tensors(each) for each in args]
    wanted = expected()
    wanted = tuple(wanted) if isinstance(wanted, (tuple, list)) else wanted
    same(getattr(us, name)(*given), wanted, rtol=1e-6 if name == "logspace" else 1e-12)
    if hasattr(us.Tensor, name) and isinstance(given[0], us.Tensor):
        same(getattr(given[0], name)(*given[1:]), wanted, rtol=1e-12)


@pytest.mark.parametrize("alias", sorted(aliases.METHODS))
def test_an_alias_is_the_operation_itself(alias: str) -> None:
    name = aliases.METHODS[alias]
    assert getattr(us, alias) is getattr(us, name)
    assert getattr(us.Tensor, alias) is getattr(us.Tensor, name)
    assert hasattr(us.Tensor, f"{alias}_") == hasattr(us.Tensor, f"{name}_")


@pytest.mark.parametrize("name", ["sinc", "deg2rad", "renorm", "polygamma"])
def test_in_place_forms_write_into_the_tensor(name: str) -> None:
    args: tuple[Any, ...] = {"renorm": (2, 0, 1.0), "polygamma": (1,)}.get(name, ())
    x = us.from_numpy(np.abs(M) + 1)
    expected = getattr(x, name)(*args).clone()
    assert getattr(x, f"{name}_")(*args) is x
    same(x, expected.numpy())


SMOOTH: list[tuple[str, Callable[..., Any], tuple[Array, ...]]] = [
    ("sinc", us.sinc, (np.array([0.0, 0.3, -1.2]),)),
    ("logaddexp2", us.logaddexp2, (V, V[::-1].copy())),
    ("polygamma", lambda x: us.polygamma(2, x), (np.array([0.4, 1.7, 12.0]),)),
    ("trigamma", lambda x: us.polygamma(1, x), (np.array([0.4, 1.7, 12.0]),)),
    ("polygamma below zero", lambda x: us.polygamma(3, x), (np.array([-0.4, -1.7, -12.3]),)),
    ("digamma below zero", us.digamma, (np.array([-0.4, -1.7, -12.3]),)),
    ("zeta", lambda x: special.zeta(2.5, x), (np.array([0.4, 1.7, 12.0]),)),
    ("mvlgamma", lambda x: us.mvlgamma(x, 3), (np.array([1.4, 1.7, 12.0]),)),
    ("log_ndtr", special.log_ndtr, (np.array([-9.0, -1, 2.0]),)),
    ("xlog1py", special.xlog1py, (np.abs(V), np.abs(V))),
    ("erfcx", special.erfcx, (np.array([-1.0, 0.5, 9.0]),)),
    ("entr", special.entr, (np.abs(V),)),
    ("kron", us.kron, (M[:2, :2].copy(), V[:2].copy())),
    ("inner", us.inner, (M[:2].copy(), V)),
    ("addr", us.addr, (M[:2, :3].copy(), V[:2].copy(), V[:3].copy())),
    ("renorm", lambda x: us.renorm(x, 2, 0, 1.0), (M[:2].copy(),)),
    ("cov", us.cov, (M[:2].copy(),)),
    ("nanmean", lambda x: us.nanmean(x, 1), (M[:2].copy(),)),
    ("repeat_interleave", lambda x: x.repeat_interleave(us.tensor([2, 0, 3]), 1), (M[:2, :3].copy(),)),
    ("block_diag", us.block_diag, (M[:2, :2].copy(), V[:2].copy())),
    ("rot90", us.rot90, (M[:2].copy(),)),
    ("vander", us.vander, (V[:3].copy(),)),
]


@pytest.mark.parametrize(("name", "function", "args"), SMOOTH, ids=[case[0] for case in SMOOTH])
def test_derivatives_of_both_orders(name: str, function: Callable[..., Any], args: tuple[Array, ...]) -> None:
    inputs = tuple(us.from_numpy(np.array(a)).requires_grad_() for a in args)
    assert us.autograd.gradcheck(function, inputs)
    assert us.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("s", [1.01, 1.5, 2.0, 3.0, 7.25, 30.0, 90.0])
def test_zeta_is_its_sum(s: float, dtype: str) -> None:
    q = np.array([0.01, 0.5, 1.0, 3.7, 25.0, 4e3], dtype=dtype).astype(np.float64)
    s = float(np.dtype(dtype).type(s))
    # Two terms of Euler-Maclaurin after 10^5 leave less than one in 10^15.
    k = np.arange(100_000)[:, None]
    end = q + len(k)
    terms = np.array([math.fsum(column) for column in ((q + k) ** -s).T])
    expected = terms + end ** (1 - s) / (s - 1) + end**-s / 2 + s * end ** (-s - 1) / 12
    result = special.zeta(us.tensor(s, dtype=getattr(us, dtype)), us.tensor(q, dtype=getattr(us, dtype)))
    rtol = {"float64": 1e-13, "float32": 1.2e-7}[dtype]
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(result.numpy(), expected.astype(dtype), rtol=rtol)


def test_polygamma_reflects() -> None:
    x = np.array([0.25, 3.4, 70.3, 1e9 + 0.25])
    below, above = us.tensor(1 - x), us.tensor(x)
    sine, cotangent = np.sin(np.pi * (x % 1)), 1 / np.tan(np.pi * (x % 1))
    same(us.polygamma(1, below), np.pi**2 / sine**2 - us.polygamma(1, above).numpy(), rtol=1e-12)
    same(
        us.polygamma(2, below),
        2 * np.pi**3 * cotangent / sine**2 + us.polygamma(2, above).numpy(),
        rtol=1e-12,
    )


def test_zeta_where_it_is_not_finite() -> None:
    s = us.tensor([1.0, 0.5, 2.0, 2.0, 2.5, 2.0, math.nan, 2.0], dtype=us.float64)
    q = us.tensor([2.0, 2.0, 0.0, -3.0, -0.5, math.inf, 1.0, math.nan], dtype=us.float64)
    expected = [math.inf, math.nan, math.inf, math.inf, math.nan, 0.0, math.nan, math.nan]
    np.testing.assert_array_equal(special.zeta(s, q).numpy(), expected)
    with pytest.raises(NotImplementedError, match="zeta: only the derivative by other"):
        special.zeta(s.requires_grad_(), q).sum().backward()


def test_special_functions_at_known_points() -> None:
    x = us.tensor([1.0, 0.5], dtype=us.float64)
    same(us.polygamma(1, x), [math.pi**2 / 6, math.pi**2 / 2])
    same(us.polygamma(2, x[:1]), [-2 * 1.2020569031595942])
    same(special.zeta(2.0, x), [math.pi**2 / 6, math.pi**2 / 2])
    same(special.zeta(us.tensor([2.0, 4.0], dtype=us.float64), 1.0), [math.pi**2 / 6, math.pi**4 / 90])
    same(special.ndtr(us.tensor([0.0, 1.96], dtype=us.float64)), [0.5, 0.9750021048517795])
    same(special.ndtri(us.tensor([0.9750021048517795], dtype=us.float64)), [1.96], rtol=1e-9)
    same(
        special.log_ndtr(us.tensor([-40.0, -5.5, 3.0], dtype=us.float64)),
        [-804.60844201, -17.77937635, -0.0013508],
        1e-6,
    )
    same(special.erfcx(us.tensor([0.0, 10.0], dtype=us.float64)), [1.0, 0.056140992743822585])


@pytest.mark.parametrize("dim", [None, 0, 1])
def test_unique_gives_values_inverse_and_counts(dim: int | None) -> None:
    x = RNG.integers(0, 3, (5, 2))
    values, inverse, counts = us.unique(us.from_numpy(x), return_inverse=True, return_counts=True, dim=dim)
    expected = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    np.testing.assert_array_equal(values.numpy(), expected[0])
    np.testing.assert_array_equal(inverse.numpy().reshape(-1), expected[1].reshape(-1))
    np.testing.assert_array_equal(counts.numpy(), expected[2])
    assert inverse.shape == (x.shape if dim is None else (x.shape[dim],))


def test_unique_counts_every_nan_and_keeps_runs() -> None:
    values, counts = us.unique(us.tensor([2.0, math.nan, 1.0, math.nan]), return_counts=True)
    assert values.tolist()[:2] == [1.0, 2.0]
    assert counts.tolist() == [1, 1, 1, 1]
    runs, inverse, counts = us.unique_consecutive(
        us.tensor([1, 1, 2, 1]), return_inverse=True, return_counts=True
    )
    assert (runs.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 1], [0, 0, 1, 2], [2, 1, 1])
    assert us.unique(us.empty(0)).shape == (0,)


def test_random_fills_follow_the_known_streams() -> None:
    us.manual_seed(0)
    u = us.rand(5, dtype=us.float64)
    for fill, expected in (
        (lambda x: x.geometric_(0.3), us.ceil(u.log() / math.log1p(-0.3))),
        (lambda x: x.cauchy_(1, 2), 1 + 2 * us.tan(math.pi * (u - 0.5))),
    ):
        us.manual_seed(0)
        same(fill(us.empty(5, dtype=us.float64)), expected.numpy(), 1e-12)
    us.manual_seed(0)
    assert us.poisson(us.full((12,), 3.0)).tolist() == [6, 3, 2, 3, 4, 3, 5, 3, 3, 0, 5, 4]
    weights = us.tensor([[0.1, 0.4, 0.2, 0.3], [1.0, 2, 3, 4]])
    us.manual_seed(0)
    assert us.multinomial(weights, 3).tolist() == [[2, 1, 3], [2, 3, 1]]
    us.manual_seed(0)
    assert us.multinomial(weights, 6, replacement=True).tolist() == [[3, 3, 1, 3, 2, 3], [1, 2, 2, 1, 2, 1]]


def test_poisson_numbers_have_their_rate_as_mean_and_variance() -> None:
    us.manual_seed(1)
    draws = us.poisson(us.full((20000,), 30.0))
    assert abs(float(draws.mean()) - 30) < 0.2
    assert abs(float(draws.var()) - 30) < 1.5


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: us.hsplit(us.ones(5), 2), RuntimeError),
        (lambda: us.vsplit(us.ones(5), 2), RuntimeError),
        (lambda: us.rot90(us.ones(2, 2), 1, [0, 0]), RuntimeError),
        (lambda: us.repeat_interleave(us.ones(3), us.tensor([1, 2])), RuntimeError),
        (lambda: us.repeat_interleave(us.ones(3), -1), RuntimeError),
        (lambda: us.cross(us.ones(2), us.ones(2)), RuntimeError),
        (lambda: us.trace(us.ones(2)), RuntimeError),
        (lambda: us.bincount(us.tensor([-1])), RuntimeError),
        (lambda: us.bincount(us.tensor([-3, -1]), us.ones(2), minlength=4), RuntimeError),
        (lambda: us.bincount(us.ones(2)), RuntimeError),
        (lambda: us.histc(us.ones(3), bins=0), RuntimeError),
        (lambda: us.unique(us.ones(2), dim=2), IndexError),
        (lambda: us.multinomial(us.ones(3), 4), RuntimeError),
        (lambda: us.multinomial(us.tensor([1.0, -1.0]), 1), RuntimeError),
        (lambda: us.multinomial(us.zeros(3), 1), RuntimeError),
        (lambda: us.poisson(us.tensor([-1.0])), RuntimeError),
        (lambda: us.empty(2).geometric_(1.5), RuntimeError),
        (lambda: us.polygamma(-1, us.ones(2)), RuntimeError),
        (lambda: us.tensor_split(us.ones(3), 0), RuntimeError),
    ],
)
def test_bad_calls_raise(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
