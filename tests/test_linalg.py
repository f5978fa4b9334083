"""Decompositions, solutions and norms against NumPy, with derivatives of both orders, and their errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us

Array = Any
# The matrices have condition numbers of up to a thousand.
RTOL = {"float32": 5e-4, "float64": 1e-10}


def draw(*shape: int, dtype: str = "float64", seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def definite(*shape: int, dtype: str = "float64") -> Array:
    x = draw(*shape, dtype=dtype)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1], dtype=dtype)


def tensors(*arrays: Array) -> list[Any]:
    return [us.from_numpy(np.ascontiguousarray(each)) for each in arrays]


def same(actual: Any, expected: Any, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-10, atol=atol)


def transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# Functions of one or two matrices with an exact counterpart in NumPy.
CASES: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Array, ...]]] = [
    ("cholesky", us.linalg.cholesky, np.linalg.cholesky, (definite(2, 4, 4),)),
    ("cholesky of one", us.linalg.cholesky, np.linalg.cholesky, (definite(1, 1),)),
    ("cholesky large", us.linalg.cholesky, np.linalg.cholesky, (definite(70, 70),)),
    (
        "cholesky upper",
        lambda a: us.linalg.cholesky(a, upper=True),
        lambda a: transposed(np.linalg.cholesky(a)),
        (definite(2, 4, 4),),
    ),
    ("inv", us.linalg.inv, np.linalg.inv, (draw(3, 4, 4),)),
    ("inv large", us.linalg.inv, np.linalg.inv, (definite(70, 70),)),
    ("det", us.linalg.det, np.linalg.det, (draw(3, 4, 4),)),
    ("slogdet", us.linalg.slogdet, np.linalg.slogdet, (draw(3, 4, 4),)),
    ("solve", us.linalg.solve, np.linalg.solve, (draw(2, 4, 4), draw(2, 4, 3))),
    ("solve broadcast", us.linalg.solve, np.linalg.solve, (draw(4, 4), draw(2, 4, 3))),
    ("solve vector", us.linalg.solve, np.linalg.solve, (draw(4, 4), draw(4))),
    (
        "solve right",
        lambda a, b: us.linalg.solve(a, b, left=False),
        lambda a, b: b @ np.linalg.inv(a),
        (draw(2, 4, 4), draw(2, 3, 4)),
    ),
    (
        "solve_triangular",
        lambda a, b: us.linalg.solve_triangular(a, b, upper=True),
        lambda a, b: np.linalg.solve(np.triu(a), b),
        (definite(2, 4, 4), draw(2, 4, 3)),
    ),
    (
        "solve_triangular unit",
        lambda a, b: us.linalg.solve_triangular(a, b, upper=False, unitriangular=True),
        lambda a, b: np.linalg.solve(np.tril(a, -1) + np.eye(4), b),
        (draw(2, 4, 4), draw(2, 4, 3)),
    ),
    (
        "lu_solve",
        lambda a, b: us.linalg.lu_solve(*us.linalg.lu_factor(a), b),
        np.linalg.solve,
        (draw(2, 4, 4), draw(2, 4, 3)),
    ),
    (
        "lu_solve adjoint",
        lambda a, b: us.linalg.lu_solve(*us.linalg.lu_factor(a), b, adjoint=True),
        lambda a, b: np.linalg.solve(transposed(a), b),
        (draw(2, 4, 4), draw(2, 4, 3)),
    ),
    ("qr", us.linalg.qr, np.linalg.qr, (draw(5, 3),)),
    ("qr wide", us.linalg.qr, np.linalg.qr, (draw(3, 5),)),
    ("eigvalsh", us.linalg.eigvalsh, np.linalg.eigvalsh, (definite(2, 4, 4),)),
    ("svdvals", us.linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False), (draw(2, 3, 5),)),
    ("svdvals tall", us.linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False), (draw(40, 25),)),
    ("pinv", us.linalg.pinv, np.linalg.pinv, (draw(2, 3, 5),)),
    (
        "pinv of low rank",
        us.linalg.pinv,
        lambda a: np.linalg.pinv(a, 1e-5),
        (draw(5, 2) @ draw(2, 4, seed=1),),
    ),
    (
        "lstsq",
        lambda a, b: us.linalg.lstsq(a, b)[0],
        lambda a, b: np.linalg.pinv(a) @ b,
        (draw(6, 3), draw(6, 2)),
    ),
    (
        "matrix_power",
        lambda a: us.linalg.matrix_power(a, 5),
        lambda a: np.linalg.matrix_power(a, 5),
        (draw(3, 3),),
    ),
    (
        "inverse power",
        lambda a: us.linalg.matrix_power(a, -2),
        lambda a: np.linalg.matrix_power(a, -2),
        (draw(3, 3),),
    ),
    ("cond", us.linalg.cond, np.linalg.cond, (draw(2, 4, 4),)),
    ("cond 1", lambda a: us.linalg.cond(a, 1), lambda a: np.linalg.cond(a, 1), (draw(2, 4, 4),)),
    (
        "multi_dot",
        lambda *a: us.linalg.multi_dot(a),
        lambda *a: np.linalg.multi_dot(a),
        (draw(4), draw(4, 5), draw(5, 2)),
    ),
    ("cross", us.linalg.cross, np.cross, (draw(4, 3), draw(4, 3, seed=1))),
    ("vecdot", us.linalg.vecdot, lambda a, b: (a * b).sum(-1), (draw(4, 3), draw(3))),
    ("tensorinv", us.linalg.tensorinv, np.linalg.tensorinv, (draw(2, 3, 6),)),
]
CASES += [
    (
        f"matrix_norm {order}",
        lambda a, order=order: us.linalg.matrix_norm(a, order),
        lambda a, order=order: np.linalg.norm(a, order, axis=(-2, -1)),
        (draw(2, 3, 5),),
    )
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
]
IDS = [case[0] for case in CASES]


def listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "function", "reference", "arrays"), CASES, ids=IDS)
def test_values_are_numpys(name: str, function: Any, reference: Any, arrays: Any, dtype: str) -> None:
    typed = [each.astype(dtype) for each in arrays]
    results = listed(function(*tensors(*typed)))
    for result, expected in zip(
        results, listed(reference(*[a.astype("float64") for a in typed])), strict=True
    ):
        assert result.dtype == getattr(us, dtype)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(
            result.numpy() / scale, expected / scale, rtol=RTOL[dtype], atol=RTOL[dtype]
        )
    # A strided input gives the same bits as its copy.
    strided = [
        us.from_numpy(np.ascontiguousarray(each.T)).permute(*reversed(range(each.ndim))) for each in typed
    ]
    for result, again in zip(results, listed(function(*strided)), strict=True):
        assert us.equal(result, again)


SMALL = [case for case in CASES if max(array.size for array in case[3]) < 100]


def symmetric_input(name: str, function: Any) -> Any:
    """The function of the symmetric part, where only one triangle is read."""
    if not name.startswith(("cholesky", "eigvalsh")):
        return function
    return lambda a: function((a + a.mT) / 2)


@pytest.mark.parametrize(("name", "function", "reference", "arrays"), SMALL, ids=[case[0] for case in SMALL])
def test_derivatives(name: str, function: Any, reference: Any, arrays: Any) -> None:
    inputs = [each.requires_grad_() for each in tensors(*arrays)]
    if name == "pinv of low rank":
        pytest.skip("the rank changes at the displaced points of a numerical derivative")
    checked = symmetric_input(name, function)
    assert us.autograd.gradcheck(checked, tuple(inputs))
    assert us.autograd.gradgradcheck(checked, tuple(inputs))


def test_vectors_of_decompositions_rebuild_the_matrix_and_are_differentiable() -> None:
    a, s = tensors(draw(2, 5, 3), definite(2, 4, 4))
    u, values, vh = us.linalg.svd(a)
    assert (u.shape, vh.shape) == ((2, 5, 5), (2, 3, 3))
    np.testing.assert_allclose(((u[..., :3] * values.unsqueeze(-2)) @ vh).numpy(), a.numpy(), atol=1e-12)
    np.testing.assert_allclose((u.mT @ u).numpy(), np.broadcast_to(np.eye(5), (2, 5, 5)), atol=1e-12)
    w, v = us.linalg.eigh(s)
    np.testing.assert_allclose(((v * w.unsqueeze(-2)) @ v.mT).numpy(), s.numpy(), atol=1e-12)
    p, lower, upper = us.linalg.lu(a)
    np.testing.assert_allclose((p @ lower @ upper).numpy(), a.numpy(), atol=1e-12)
    # Signs are free, so derivatives are those of squares.
    inputs = (a.requires_grad_(),)
    assert us.autograd.gradcheck(lambda x: [f.square() for f in us.linalg.svd(x, False)], inputs)
    assert us.autograd.gradgradcheck(lambda x: us.linalg.svd(x, False)[0].square(), inputs)
    assert us.autograd.gradcheck(lambda x: us.linalg.eigh(x + x.mT)[1].square(), (s.requires_grad_(),))
    for part in range(3):
        assert us.autograd.gradcheck(lambda x, i=part: us.linalg.lu(x)[i] + 0 * x.sum(), inputs)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
def test_empty_batches_and_matrices(shape: tuple[int, ...]) -> None:
    a = us.zeros(shape)
    for name in ("inv", "cholesky", "pinv", "matrix_exp"):
        assert getattr(us.linalg, name)(a).shape == shape
    for name in ("eigvalsh", "svdvals"):
        assert getattr(us.linalg, name)(a).shape == shape[:-1]
    assert us.linalg.det(a).tolist() == np.ones(shape[:-2]).tolist()
    assert us.linalg.matrix_rank(a).shape == shape[:-2]
    assert us.linalg.solve(a, us.zeros(*shape[:-1], 2)).shape == (*shape[:-1], 2)


def test_low_rank_is_seen() -> None:
    (a,) = tensors(draw(6, 2) @ draw(2, 5, seed=1))
    assert us.linalg.matrix_rank(a).item() == 2
    u, s, vh = us.linalg.svd(a)
    np.testing.assert_allclose((u.mT @ u).numpy(), np.eye(6), atol=1e-12)
    np.testing.assert_allclose((vh @ vh.mT).numpy(), np.eye(5), atol=1e-12)
    assert s[2:].max().item() < 1e-12


def test_pinv_takes_a_tolerance_for_each_matrix() -> None:
    batch = us.stack([us.eye(2) * us.tensor([1.0, 0.1]), us.eye(2) * us.tensor([1.0, 0.1])])
    inverses = us.linalg.pinv(batch, rtol=us.tensor([0.01, 0.5]))
    np.testing.assert_allclose(inverses.numpy(), [np.diag([1.0, 10.0]), np.diag([1.0, 0.0])], rtol=1e-6)
    assert us.linalg.pinv(us.zeros(2, 0, 3), rtol=us.tensor([0.01, 0.5])).shape == (2, 3, 0)
    assert us.linalg.vander(us.tensor(2.0), N=3).tolist() == [[1.0, 2.0, 4.0]]


def test_matrix_exp_of_a_rotation() -> None:
    (a,) = tensors(np.array([[0.0, -7.0], [7.0, 0.0]]))
    expected = [[np.cos(7), -np.sin(7)], [np.sin(7), np.cos(7)]]
    np.testing.assert_allclose(us.linalg.matrix_exp(a).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a: us.linalg.inv(a), "linalg.inv: The diagonal element 1 is zero"),
        (lambda a: us.linalg.solve(a, us.ones(2)), "linalg.solve: The solver failed"),
        (lambda a: us.linalg.cholesky(a), "leading minor of order 1 is not positive-definite"),
        (lambda a: us.linalg.lu_factor(a), "U\\[1,1\\] is zero"),
        (lambda a: us.linalg.svd(a * float("nan")), "failed to converge"),
        (lambda a: us.linalg.inv(us.stack([us.eye(2), a])), "Batch element 1"),
    ],
)
def test_singular_matrices_raise_by_name(call: Any, words: str) -> None:
    with pytest.raises(us.linalg.LinAlgError, match=words):
        call(us.zeros(2, 2))


def test_info_says_which_matrices_are_singular() -> None:
    batch = us.stack([us.eye(2), us.zeros(2, 2)])
    assert us.linalg.inv_ex(batch).info.tolist() == [0, 1]
    assert us.linalg.cholesky_ex(batch).info.tolist() == [0, 1]
    assert us.linalg.det(batch).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: us.linalg.inv(us.ones(2, 3)), RuntimeError, "2 by 3 matrices"),
        (lambda: us.linalg.inv(us.ones(2)), RuntimeError, "at least 2 dimensions"),
        (lambda: us.linalg.inv(us.ones(2, 2, dtype=us.int64)), RuntimeError, "floating point"),
        (lambda: us.linalg.inv([[1.0]]), TypeError, "must be Tensor"),
        (lambda: us.linalg.solve(us.eye(2), us.ones(3, 1)), RuntimeError, "Incompatible shapes"),
        (lambda: us.linalg.solve(us.eye(2), us.ones(2, 1, dtype=us.float64)), RuntimeError, "same dtype"),
        (lambda: us.linalg.qr(us.eye(2), mode="full"), RuntimeError, "unrecognized mode"),
        (lambda: us.linalg.eigh(us.eye(2), "X"), RuntimeError, "UPLO"),
        (lambda: us.linalg.eig(us.eye(2)), NotImplementedError, "complex"),
        (lambda: us.linalg.matrix_norm(us.eye(2), 3), RuntimeError, "Order 3 not supported"),
        (lambda: us.linalg.matrix_norm(us.eye(2), dim=(0, 0)), RuntimeError, "must be different"),
        (lambda: us.linalg.norm(us.ones(2, 2, 2), 2), RuntimeError, "1D or 2D"),
        (lambda: us.linalg.multi_dot([us.eye(2)]), RuntimeError, "at least 2 tensors"),
        (lambda: us.linalg.cross(us.ones(2), us.ones(2)), RuntimeError, "must have length 3"),
        (lambda: us.linalg.lstsq(us.eye(2), us.ones(3, 1)), RuntimeError, "should match"),
    ],
)
def test_bad_calls_are_refused_by_name(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_older_names_and_methods() -> None:
    (a,) = tensors(definite(3, 3))
    factor = a.cholesky()
    np.testing.assert_allclose(
        us.cholesky_solve(us.eye(3, dtype=us.float64), factor).numpy(), a.inverse().numpy()
    )
    np.testing.assert_allclose(us.cholesky_inverse(factor).numpy(), a.inverse().numpy(), rtol=1e-9)
    assert us.logdet(a).item() == pytest.approx(a.det().log().item())
    assert us.logdet(-us.eye(3)).isnan().item()
    u, s, v = a.svd()
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), a.numpy(), atol=1e-12)
    x, copy = us.triangular_solve(us.ones(3, 1, dtype=us.float64), a)
    np.testing.assert_allclose((a.triu() @ x).numpy(), 1.0)
    assert us.equal(copy, a)
    out = us.empty(3, 3, dtype=us.float64)
    assert us.linalg.inv(a, out=out) is out


def test_reflections_are_kept_and_applied() -> None:
    for m, n in ((5, 3), (3, 5), (4, 4)):
        a = us.randn(2, m, n, dtype=us.float64)
        packed, tau = us.geqrf(a)
        q, r = us.linalg.qr(a, "complete")
        same(packed.triu(), r)
        other = us.randn(2, m, 4, dtype=us.float64)
        reflections = packed[..., : min(m, n)]
        same(us.ormqr(reflections, tau, other), q @ other)
        same(us.ormqr(reflections, tau, other, transpose=True), q.mT @ other)
        same(us.ormqr(reflections, tau, other.mT, left=False), other.mT @ q)
        same(us.ormqr(reflections, tau, other.mT, False, True), other.mT @ q.mT)
    leaves = [x.detach()[0].requires_grad_() for x in (packed, tau, other)]
    assert us.autograd.gradcheck(us.ormqr, leaves)
    with pytest.raises(NotImplementedError, match=r"linalg\.qr"):
        us.geqrf(us.ones(2, 2, requires_grad=True))
    with pytest.raises(RuntimeError, match="rows"):
        us.ormqr(packed, tau, other.mT[..., :3, :])


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (2, 7, 5)])
def test_low_rank_matrices_are_found_again(shape: tuple[int, ...]) -> None:
    us.manual_seed(1)
    *batch, m, n = shape
    a = us.randn(*batch, m, 3, dtype=us.float64) @ us.randn(*batch, 3, n, dtype=us.float64)
    u, s, v = us.svd_lowrank(a, 4)
    assert (u.shape, s.shape, v.shape) == ((*batch, m, 4), (*batch, 4), (*batch, n, 4))
    same((u * s.unsqueeze(-2)) @ v.mT, a)
    same(s, us.linalg.svdvals(a)[..., :4], atol=1e-10)
    mean = us.ones(n, dtype=us.float64)
    same(us.svd_lowrank(a + mean, 4, M=mean)[1], s, atol=1e-10)
    same(us.pca_lowrank(a, 4)[1], us.linalg.svdvals(a - a.mean(-2, keepdim=True))[..., :4], atol=1e-10)
    with pytest.raises(ValueError, match="svd_lowrank: q"):
        us.svd_lowrank(a, 99)


def test_older_lu_gives_its_parts() -> None:
    a = us.randn(3, 3)
    factor, pivots, info = us.lu(a, get_infos=True)
    assert us.lu(a)[0].tolist() == factor.tolist() == us.linalg.lu_factor(a).LU.tolist()
    assert (pivots.dtype, int(info)) == (us.int32, 0)


def test_norms_of_matrices_without_rows() -> None:
    for order in (1, 2, math.inf):
        assert us.linalg.matrix_norm(us.zeros(2, 0, 0), order).tolist() == [0, 0]
    with pytest.raises(IndexError):
        us.linalg.matrix_norm(us.zeros(0, 3), -math.inf)


def test_norms_of_negative_order_have_no_slope_where_an_element_is_zero() -> None:
    x = us.tensor([0.0, 2.0], requires_grad=True)
    norm = us.linalg.vector_norm(x, -1)
    assert float(norm) == 0
    assert us.autograd.grad(norm, x)[0].tolist() == [0, 0]


def test_constant_results_have_gradients_of_zero() -> None:
    x = us.randn(2, 2, requires_grad=True)
    power = us.linalg.matrix_power(x, 0)
    assert power.tolist() == us.eye(2).tolist()
    assert us.autograd.grad(power.sum(), x)[0].tolist() == us.zeros(2, 2).tolist()
    assert us.combinations(us.ones(1, requires_grad=True), 2).requires_grad


@pytest.mark.parametrize("n", [0, 1, 2, 5, 12])
def test_indefinite_systems_are_solved_by_ldl(n: int) -> None:
    a = us.randn(2, n, n, dtype=us.float64)
    a = a + a.mT - us.diag_embed(a.diagonal(dim1=-2, dim2=-1)) * (0 if n == 1 else 2)  # zeros on the diagonal
    factor, pivots = us.linalg.ldl_factor(a)
    assert pivots.dtype == us.int32
    assert bool((pivots < 0).any()) == (n > 1)
    b = us.randn(2, n, 3, dtype=us.float64)
    same(a @ us.linalg.ldl_solve(factor, pivots, b), b, atol=1e-9)
    same(a @ us.linalg.ldl_solve(factor, pivots, b[:1]), b[:1].expand(2, n, 3), atol=1e-9)


def test_ldl_refuses_what_it_cannot() -> None:
    assert us.linalg.ldl_factor_ex(us.zeros(2, 3, 3)).info.tolist() == [1, 1]
    with pytest.raises(us.linalg.LinAlgError, match="zero on its diagonal"):
        us.linalg.ldl_factor(us.zeros(3, 3))
    with pytest.raises(NotImplementedError, match="derivative"):
        us.linalg.ldl_factor(us.eye(2).requires_grad_())
    eye, pivots = us.eye(2), us.tensor([1, 2])
    for bad in (us.tensor([0, 2]), us.tensor([1, -2]), us.tensor([1, 3]), us.tensor([1, 2, 3]), us.ones(2)):
        with pytest.raises(RuntimeError, match="pivots must be"):
            us.linalg.ldl_solve(eye, bad, eye)
    with pytest.raises(RuntimeError, match="rows"):
        us.linalg.ldl_solve(eye, pivots, us.ones(3, 1))


def test_matrix_exp_keeps_float32_precision() -> None:
    rng = np.random.default_rng(5)
    a = rng.uniform(-9, 9, (6, 5, 5)).astype(np.float32)
    exact = us.matrix_exp(us.from_numpy(a.astype(np.float64))).numpy()
    error = np.abs(us.matrix_exp(us.from_numpy(a)).numpy() - exact).max((1, 2))
    assert (error / np.abs(exact).max((1, 2))).max() < 3e-6


def test_orgqr_is_the_product_of_reflections() -> None:
    rng = np.random.default_rng(6)
    a = us.from_numpy(rng.standard_normal((5, 3)))
    packed, tau = us.geqrf(a)
    q = us.orgqr(packed, tau)
    np.testing.assert_allclose((q @ packed.triu()[:3]).numpy(), a.numpy(), atol=1e-14)
    assert (packed.orgqr(tau) == us.linalg.householder_product(packed, tau)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (64, 64), (90, 40), (3, 5), (1, 1), (5, 1)], ids=str)
def test_least_squares_of_full_rank_and_of_less(shape: tuple[int, int], dtype: str) -> None:
    m, n = shape
    full = min(m, n)
    u, _, vt = np.linalg.svd(draw(m, n), full_matrices=False)
    # Far from losing rank, near to it, beyond the threshold, and rank lost for certain.
    for smallest in (0.5, 1e-2, 1e-4, 1e-9, 0.0):
        values = np.geomspace(1, 0.7, full)
        values[-1] = values[-1] if full == 1 else smallest
        a = ((u * values) @ vt).astype(dtype)
        b = draw(m, 2, dtype=dtype, seed=3)
        expected, _, rank, _ = np.linalg.lstsq(a.astype(np.float64), b, rcond=np.finfo(dtype).eps * max(m, n))
        solution, _, ranks, _ = us.linalg.lstsq(*tensors(a, b))
        assert ranks.item() == rank
        error = np.abs(solution.numpy() - expected).max() / np.abs(expected).max()
        assert error < 40 * np.finfo(dtype).eps / max(smallest, 1e-6 if dtype == "float32" else 1e-9), (
            smallest
        )


def test_least_squares_count_small_values_as_zero_where_asked() -> None:
    a = np.diag([1.0, 0.5, 0.01])
    (x, b) = tensors(a, np.ones((3, 1)))
    assert us.linalg.lstsq(x, b).rank.item() == 3
    solution, _, rank, _ = us.linalg.lstsq(x, b, rcond=0.05)
    assert rank.item() == 2
    np.testing.assert_allclose(solution.numpy()[:, 0], [1, 2, 0], atol=1e-15)


def test_least_squares_of_a_batch_of_which_one_matrix_has_lost_rank() -> None:
    a, b = draw(3, 6, 4), draw(6, 2)
    a[1, :, 3] = a[1, :, 0]
    solution, _, rank, _ = us.linalg.lstsq(*tensors(a, b))
    assert rank.tolist() == [4, 3, 4]
    for i in range(3):
        np.testing.assert_allclose(solution.numpy()[i], np.linalg.lstsq(a[i], b, rcond=1e-10)[0], atol=1e-12)


def test_least_squares_have_derivatives_of_both_orders() -> None:
    a, b = (x.requires_grad_(True) for x in tensors(draw(5, 3), draw(5, 2)))
    assert us.autograd.gradcheck(lambda a, b: us.linalg.lstsq(a, b)[0], (a, b))
    assert us.autograd.gradgradcheck(lambda a, b: us.linalg.lstsq(a, b)[0], (a, b))


def test_least_squares_refuse_what_is_not_finite() -> None:
    with pytest.raises(us.linalg.LinAlgError, match="converge"):
        us.linalg.lstsq(us.full((3, 2), math.nan), us.ones(3, 1))
