"""Pooling by windows that tile the plane: whole registers, rows that end within one, ties and NaN."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F

WIDTHS = (2, 3, 5, 10, 16, 17, 28, 31, 32, 33, 47, 64, 70)
KERNELS = ((2,), (1, 2), (2, 2), (3, 2), (1, 2, 2), (2, 2, 2), (2, 1, 2))
POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def expected(x: Any, grad: Any, kernel: tuple[int, ...]) -> tuple[Any, Any]:
    """Maxima and the gradient of the input: the first of equals wins, but the last of NaNs."""
    n = len(kernel)
    sizes = [size // k for size, k in zip(x.shape[-n:], kernel, strict=True)]
    out, back = np.empty((*x.shape[:-n], *sizes), x.dtype), np.zeros_like(x)
    for at in itertools.product(*map(range, out.shape)):
        corner = [i * k for i, k in zip(at[-n:], kernel, strict=True)]
        places = [
            (*at[:-n], *(c + s for c, s in zip(corner, shift, strict=True)))
            for shift in itertools.product(*map(range, kernel))
        ]
        best = places[0]
        for place in places[1:]:
            if x[place] > x[best] or np.isnan(x[place]):
                best = place
        out[at], back[best] = x[best], grad[at]
    return out, back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_tiles_give_the_first_maximum_and_pass_nan_on(kernel: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(3)
    for i, width in enumerate(WIDTHS):
        rest = [2 * k + i % k for k in kernel[:-1]]
        x = rng.integers(-2, 3, (2, 1 + i % 3, *rest, width)).astype(dtype)
        if i % 2:
            x[rng.random(x.shape) < 0.2] = np.nan
        if i % 3 == 0:
            x[rng.random(x.shape) < 0.6] = -np.inf
        leaf = unspool.from_numpy(x).requires_grad_()
        pooled = POOLS[len(kernel)](leaf, kernel)
        grad = rng.standard_normal(pooled.shape).astype(dtype)
        (back,) = unspool.autograd.grad(pooled, leaf, unspool.from_numpy(grad))
        out, wanted = expected(x, grad, kernel)
        np.testing.assert_array_equal(pooled.detach().numpy(), out, err_msg=str(x.shape))
        np.testing.assert_array_equal(back.numpy(), wanted, err_msg=str(x.shape))


def test_windows_over_an_edge_give_the_first_maximum_and_pass_nan_on() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(-1, 2, (3, 2, 9, 21)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[0] = -np.inf
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    for stride in (1, 2, 3):
        result, index = F.max_pool2d(unspool.from_numpy(x), 3, stride, 1, return_indices=True)
        fast = F.max_pool2d(unspool.from_numpy(x), 3, stride, 1)
        np.testing.assert_array_equal(fast.numpy(), result.numpy())
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::stride, ::stride]
        np.testing.assert_array_equal(fast.numpy(), windows.max((-2, -1)))
        leaf = unspool.from_numpy(x).requires_grad_()
        F.max_pool2d(leaf, 3, stride, 1).sum().backward()
        counts = np.zeros(x.shape, np.float32)
        for n, c in np.ndindex(3, 2):
            np.add.at(counts[n, c].reshape(-1), index.numpy()[n, c].reshape(-1), 1)
        assert leaf.grad is not None
        np.testing.assert_array_equal(leaf.grad.numpy(), counts)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_means_of_tiles(kernel: tuple[int, ...], dtype: str) -> None:
    n, pool = len(kernel), {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(kernel)]
    rng = np.random.default_rng(5)
    for i, width in enumerate(WIDTHS):
        x = rng.integers(-8, 9, (2, 1 + i % 3, *(2 * k + i % k for k in kernel[:-1]), width)).astype(dtype)
        leaf = unspool.from_numpy(x).requires_grad_()
        options = {"divisor_override": 8} if i % 2 and n > 1 else {}
        pooled = pool(leaf, kernel, **options)
        share = 8 if options else int(np.prod(kernel))
        grad = rng.integers(-8, 9, pooled.shape).astype(dtype)
        (back,) = unspool.autograd.grad(pooled, leaf, unspool.from_numpy(grad))
        sums, wanted = np.zeros_like(grad), np.zeros_like(x)
        for shift in itertools.product(*map(range, kernel)):
            there = (
                slice(s, s + (size - 1) * k + 1, k)
                for s, size, k in zip(shift, grad.shape[-n:], kernel, strict=True)
            )
            at = (..., *there)
            sums += x[at]
            wanted[at] = grad / np.asarray(share, dtype)
        np.testing.assert_array_equal(pooled.detach().numpy(), sums / np.asarray(share, dtype))
        np.testing.assert_array_equal(back.numpy(), wanted)


def test_other_layouts_and_thread_counts_give_the_same() -> None:
    x = unspool.randn(40, 28, 30, 6).permute(0, 3, 1, 2)
    results = []
    before = unspool.get_num_threads()
    try:
        for threads, values in itertools.product((1, 2, 3), (x, x.contiguous())):
            unspool.set_num_threads(threads)
            leaf = values.detach().requires_grad_()
            pooled = F.max_pool2d(leaf, 2)
            (back,) = unspool.autograd.grad((pooled * pooled).sum(), leaf)
            results.append((pooled.detach().numpy(), back.contiguous().numpy()))
    finally:
        unspool.set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result[0], results[0][0])
        np.testing.assert_array_equal(result[1], results[0][1])


def test_an_empty_batch_has_no_windows() -> None:
    leaf = unspool.zeros(0, 3, 4, 4).requires_grad_()
    pooled = F.max_pool2d(leaf, 2)
    assert pooled.shape == (0, 3, 2, 2)
    pooled.sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.shape == leaf.shape


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_averages_of_whole_planes_are_means(dims: int) -> None:
    x = np.random.default_rng(5).standard_normal((2, 3, 7, 5, 6)[: dims + 2])
    grad = np.random.default_rng(6).standard_normal((2, 3, *(1,) * dims))
    pool = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[dims]
    planes = tuple(range(2, dims + 2))
    for layout in ("rows", "channels last"):
        t = unspool.tensor(x, requires_grad=True)
        out = pool(t if layout == "rows" else t.movedim(1, -1).contiguous().movedim(-1, 1), 1)
        np.testing.assert_allclose(
            out.detach().numpy(), x.mean(planes, keepdims=True), rtol=1e-13, atol=1e-14
        )
        out.backward(unspool.tensor(grad))
        assert t.grad is not None
        expected = np.broadcast_to(grad / x[0, 0].size, x.shape)
        np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-13)
