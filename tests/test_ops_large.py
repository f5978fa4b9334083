"""Sizes around vector widths, blocks and tiles; large inputs; equal bits for any number of threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unspool as us
import unspool.nn.functional as F

Array = npt.NDArray[Any]

LENGTHS = (
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    129,
    255,
    257,
    1023,
    1025,
    4097,
    70001,
)
EDGES = (1, 2, 3, 5, 8, 12, 16, 17, 33, 64, 97)

UNARY: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "tanh": np.tanh,
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "neg": np.negative,
    "relu": lambda x: np.maximum(x, 0),
    "floor": np.floor,
}


def random(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Standard normal float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def relative(actual: Array, expected: Array) -> float:
    """The largest difference over the largest expected magnitude."""
    if not expected.size:
        return 0.0
    return float(np.abs(actual - expected).max() / max(float(np.abs(expected).max()), 1e-30))


@pytest.mark.parametrize("name", UNARY)
def test_elementwise_at_every_length_and_start(name: str) -> None:
    source = random((70100,))
    if name == "sqrt":
        source = np.abs(source)
    for length, start in itertools.product(LENGTHS, (0, 1, 3)):
        piece = source[start : start + length]
        result = getattr(us, name)(us.from_numpy(piece)).numpy()
        expected = UNARY[name](piece.astype(np.float64))
        assert relative(result, expected) < 3e-7, (length, start)


@pytest.mark.parametrize("name", UNARY)
def test_an_element_has_the_same_bits_wherever_it_stands(name: str) -> None:
    source = np.abs(random((64,)))
    whole = getattr(us, name)(us.from_numpy(source)).numpy()
    for index in range(64):
        alone = getattr(us, name)(us.from_numpy(source[index : index + 1])).numpy()
        assert alone[0] == whole[index]
    repeated = getattr(us, name)(us.from_numpy(np.tile(source, 2000))).numpy()
    np.testing.assert_array_equal(repeated, np.tile(whole, 2000))


def test_reductions_at_every_length() -> None:
    for length in LENGTHS:
        array = random((length,), length)
        wide = array.astype(np.float64)
        tensor = us.from_numpy(array)
        total = float(np.abs(wide).sum())
        assert abs(tensor.sum().item() - wide.sum()) <= 1e-6 * total
        assert abs(tensor.mean().item() - wide.mean()) <= 1e-6 * total / length
        assert tensor.max().item() == array.max()
        assert tensor.argmin().item() == array.argmin()
        if length > 1:
            assert tensor.var().item() == pytest.approx(wide.var(ddof=1), rel=1e-5)


def test_reductions_over_rows_and_columns_of_many_shapes() -> None:
    for rows, columns in itertools.product((1, 2, 3, 7, 16, 33, 257), (1, 2, 5, 8, 17, 64, 129, 1000)):
        array = random((rows, columns), rows * columns)
        wide, tensor = array.astype(np.float64), us.from_numpy(array)
        for dim in (0, 1):
            assert np.abs(tensor.sum(dim).numpy() - wide.sum(dim)).max() <= 2e-6 * np.abs(wide).sum(dim).max()
            np.testing.assert_array_equal(tensor.amax(dim).numpy(), array.max(dim))
            np.testing.assert_array_equal(tensor.argmax(dim).numpy(), array.argmax(dim))
            e = np.exp(wide - wide.max(dim, keepdims=True))
            softmax = us.softmax(tensor, dim).numpy()
            assert np.abs(softmax - e / e.sum(dim, keepdims=True)).max() < 1e-6


def test_float32_sums_of_many_values_stay_accurate() -> None:
    count = 1 << 22
    assert us.full((count,), 0.1).sum().item() == pytest.approx(count * float(np.float32(0.1)), rel=1e-6)
    assert us.ones(count).mean().item() == 1.0
    assert us.full((1 << 20,), 1e4).var().item() == pytest.approx(0.0, abs=1e-3)
    mean = us.from_numpy(random((1 << 20,)) + 1000).var().item()
    assert mean == pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize("layout", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_every_edge_size(layout: str, dtype: str) -> None:
    limit = 2e-6 if dtype == "float32" else 1e-14
    for m, k, n in itertools.product(EDGES, EDGES, EDGES):
        if (m * 7 + k * 3 + n) % 4:  # a fixed quarter of the 1,331 shapes
            continue
        a, b = random((m, k), m + k).astype(dtype), random((k, n), k + n).astype(dtype)
        x = us.from_numpy(a) if layout[0] == "N" else us.from_numpy(a.T.copy()).t()
        y = us.from_numpy(b) if layout[1] == "N" else us.from_numpy(b.T.copy()).t()
        scale = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
        error = np.abs((x @ y).numpy() - a.astype(np.float64) @ b.astype(np.float64)) / scale
        assert error.max() < limit, (m, k, n)


@pytest.mark.parametrize(
    ("m", "k", "n"), [(300, 700, 200), (1, 3000, 50), (513, 1, 257), (128, 784, 10), (2, 2, 5000)]
)
def test_large_products(m: int, k: int, n: int) -> None:
    a, b = random((m, k), 1), random((k, n), 2)
    wide = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
    assert (np.abs((us.from_numpy(a) @ us.from_numpy(b)).numpy() - wide) / scale).max() < 2e-6
    strided = us.from_numpy(np.repeat(a, 2, axis=1))[:, ::2]
    # Another layout may sum in another order: the same bound holds, not the same bits.
    assert (np.abs((strided @ us.from_numpy(b)).numpy() - wide) / scale).max() < 2e-6
    batch = us.from_numpy(np.stack([a, -a])) @ us.from_numpy(b)
    assert (np.abs(batch[1].numpy() + wide) / scale).max() < 2e-6


def heavy_results() -> Iterator[tuple[str, Any]]:
    """Results of operations large enough to be split among threads."""
    us.manual_seed(0)
    x = us.randn(1000, 700, requires_grad=True)
    w = us.randn(300, 700, requires_grad=True)
    target = us.randint(0, 300, (1000,))
    yield "random", x.detach().clone()
    yield "exp", x.exp()
    yield "add broadcast", x + w[0]
    yield "strided", x.t() * 2
    for dim in ((0,), (1,), (0, 1)):
        yield f"sum {dim}", x.sum(dim)
    yield "var", x.var(0)
    yield "argmax", x.argmax(1)
    yield "logsumexp", x.logsumexp(1)
    yield "softmax", us.softmax(x, 0)
    scores = F.linear(x, w)
    yield "linear", scores
    loss = F.cross_entropy(scores, target)
    yield "loss", loss
    loss.backward()
    yield "gradient of x", x.grad
    yield "gradient of w", w.grad
    yield "dropout", F.dropout(x, 0.3)
    yield "cumsum", x.cumsum(1)
    yield "cat", us.cat([x, x], 1)
    yield "bmm", us.bmm(x.reshape(10, 100, 700), w.t().expand(10, 700, 300))


def test_the_number_of_threads_never_changes_a_bit() -> None:
    before = us.get_num_threads()
    try:
        us.set_num_threads(1)
        alone = {name: result.detach().numpy().copy() for name, result in heavy_results()}
        for threads in (2, 3, 4):
            us.set_num_threads(threads)
            assert us.get_num_threads() == threads
            for name, result in heavy_results():
                np.testing.assert_array_equal(
                    result.detach().numpy(), alone[name], err_msg=f"{name}, {threads}"
                )
    finally:
        us.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [32768, 100_003, 300_007])
def test_each_end_is_begun_at_and_nothing_differs(n: int, threads: int) -> None:
    """Long walks over elements begin where the one before ended, so every second one begins at the end."""
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal((2, n)).astype(np.float32)
    before = us.get_num_threads()
    us.set_num_threads(threads)
    try:
        x, y = us.from_numpy(a), us.from_numpy(b)
        captured = us.compile(lambda x, y: (x * 2 + 1) * y - x)
        whole = set()
        for _ in range(3):
            np.testing.assert_array_equal((x + y).numpy(), a + b)
            np.testing.assert_array_equal((x * 3).numpy(), a * np.float32(3))
            np.testing.assert_array_equal(x.clone().numpy(), a)
            np.testing.assert_array_equal(captured(x, y).numpy(), (a * 2 + 1) * b - a)
            whole.add((x.sum().item(), x.norm().item(), us.amax(x).item(), x.mean().item()))
            shifted = us.from_numpy(a.copy())
            shifted[1:].add_(shifted[:-1])
            np.testing.assert_array_equal(shifted.numpy()[1:], a[1:] + a[:-1])
        rows = x[: n // 100 * 100].reshape(-1, 100)
        for f in (F.softmax, F.log_softmax, lambda x, dim: F.layer_norm(x, (100,))):
            assert us.equal(f(rows, dim=-1), f(rows, dim=-1))
        assert len(whole) == 1
    finally:
        us.set_num_threads(before)
