"""Convolutions that are products of matrices, by whole numbers: single taps, kernels that cover an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F

# batch, channels, filters, size, kernel, stride, groups
SHAPES: tuple[tuple[int, int, int, tuple[int, ...], tuple[int, ...], int, int], ...] = (
    (3, 33, 40, (9, 9), (1, 1), 1, 1),
    (2, 64, 19, (8, 8), (1, 1), 1, 1),
    (2, 600, 70, (23, 9), (1, 1), 1, 1),
    (5, 2, 2, (64,), (1,), 1, 1),
    (1, 200, 150, (10, 10, 3), (1, 1, 1), 1, 1),
    (7, 40, 3, (33, 9), (1, 1), 1, 1),
    (6, 3, 50, (8, 9), (1, 1), 1, 1),
    (2, 48, 30, (17, 20), (1, 1), 2, 1),
    (3, 130, 64, (23, 31), (1, 1), 3, 1),
    (2, 40, 36, (9, 8, 14), (1, 1, 1), 2, 1),
    (2, 128, 96, (16, 16), (1, 1), 1, 2),
    (2, 128, 96, (20, 21), (1, 1), 2, 2),
    (4, 20, 7, (4, 4), (4, 4), 1, 1),
    (1, 20, 70, (4, 3), (4, 3), 1, 1),
    (37, 20, 1, (4, 4), (4, 4), 2, 1),
    (9, 3, 33, (5,), (5,), 1, 1),
    (2, 1, 2, (1, 1), (1, 1), 1, 1),
    (6, 72, 18, (1, 1), (1, 1), 1, 1),
    (64, 64, 32, (4, 4), (4, 4), 1, 2),
    (3, 64, 64, (4, 4), (4, 4), 1, 64),
)


def dimensions(function: str, size: tuple[int, ...]) -> Any:
    return getattr(F, f"{function}{len(size)}d")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
@pytest.mark.parametrize("transposed", [False, True])
def test_whole_numbers_are_exact(shape: Any, dtype: unspool.dtype, transposed: bool, threads: int) -> None:
    batch, channels, filters, size, kernel, stride, groups = shape
    rng = np.random.default_rng(4)
    options = {"stride": stride, "groups": groups}
    convolve = dimensions("conv_transpose" if transposed else "conv", size)
    pair = (channels, filters // groups) if transposed else (filters, channels // groups)
    if transposed and kernel == size:
        size = tuple(1 for _ in size)
    x = unspool.tensor(rng.integers(-3, 4, (batch, channels, *size)))
    weight = unspool.tensor(rng.integers(-3, 4, (*pair, *kernel)))
    bias = unspool.tensor(rng.integers(-3, 4, filters))
    wanted = convolve(x, weight, bias, **options)
    leaves = [each.to(dtype).requires_grad_() for each in (x, weight, bias)]
    result = convolve(*leaves, **options)
    np.testing.assert_array_equal(result.detach().numpy(), wanted.numpy())
    np.testing.assert_array_equal(
        convolve(*leaves[:2], **options).detach().numpy(),
        (wanted - bias.reshape(-1, *(1 for _ in size))).numpy(),
    )
    # Gradients by their definition: of the sum of results weighted by whole numbers, which is linear in each.
    grad = unspool.tensor(rng.integers(-3, 4, tuple(wanted.shape)))
    to_x, to_weight, to_bias = unspool.autograd.grad(result, leaves, grad.to(dtype))
    for _ in range(3):
        x_step = unspool.tensor(rng.integers(-2, 3, tuple(x.shape)))
        weight_step = unspool.tensor(rng.integers(-2, 3, tuple(weight.shape)))
        by_x = (convolve(x_step, weight, **options) * grad).sum()
        by_weight = (convolve(x, weight_step, **options) * grad).sum()
        assert (to_x.double() * x_step).sum().item() == by_x.item()
        assert (to_weight.double() * weight_step).sum().item() == by_weight.item()
    np.testing.assert_array_equal(to_bias.numpy(), grad.numpy().sum((0, *range(2, grad.ndim))))


@pytest.mark.parametrize("function", ["conv2d", "conv_transpose2d"])
def test_bits_do_not_depend_on_threads_or_on_the_batch(function: str) -> None:
    rng = np.random.default_rng(5)
    x = unspool.tensor(rng.standard_normal((5, 700, 9, 8)).astype(np.float32))
    weight = unspool.tensor(rng.standard_normal((700, 700, 1, 1)).astype(np.float32))
    bias = unspool.tensor(rng.standard_normal(700).astype(np.float32))
    before = unspool.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            unspool.set_num_threads(threads)
            found.append(getattr(F, function)(x, weight, bias).numpy())
    finally:
        unspool.set_num_threads(before)
    alone = np.concatenate([getattr(F, function)(each, weight, bias).numpy() for each in x.split(1)])
    for each in (*found[1:], alone):
        np.testing.assert_array_equal(each, found[0])
