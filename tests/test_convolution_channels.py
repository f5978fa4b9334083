"""Convolutions of many channels and filters: more weights than the nearest cache holds, by whole numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F

# batch, channels, filters, size, kernel; the last one has a channel whose weights alone are too many
SHAPES: tuple[tuple[int, int, int, tuple[int, ...], tuple[int, ...]], ...] = (
    (1, 70, 96, (8, 8), (3, 3)),
    (3, 70, 65, (5, 7), (3, 3)),
    (1, 130, 40, (16, 18), (3, 3)),
    (2, 33, 32, (9, 9), (7, 7)),
    (1, 200, 33, (12,), (5,)),
    (1, 300, 64, (6, 6), (1, 1)),
    (2, 40, 13, (4, 32), (3, 3)),
    (1, 3, 33, (9, 8, 7), (7, 7, 7)),
    (1, 64, 96, (3001,), (3,)),
    (1, 150, 64, (45, 47), (3, 3)),
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
def test_whole_numbers_are_exact(shape: Any, dtype: unspool.dtype, threads: int) -> None:
    batch, channels, filters, size, kernel = shape
    rng = np.random.default_rng(2)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(size) - 1]
    spread = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[len(size) - 1]
    x = unspool.tensor(rng.integers(-3, 4, (batch, channels, *size)))
    weight = unspool.tensor(rng.integers(-3, 4, (filters, channels, *kernel)))
    bias = unspool.tensor(rng.integers(-3, 4, filters))
    wanted = convolve(x, weight, bias)
    grad = unspool.tensor(rng.integers(-3, 4, tuple(wanted.shape)))
    leaves = [each.to(dtype).requires_grad_() for each in (x, weight, bias)]
    result = convolve(*leaves)
    np.testing.assert_array_equal(result.detach().numpy(), wanted.numpy())
    to_x, to_weight, to_bias = unspool.autograd.grad(result, leaves, grad.to(dtype))
    np.testing.assert_array_equal(to_x.numpy(), spread(grad, weight).numpy())
    swapped = convolve(x.transpose(0, 1), grad.transpose(0, 1)).transpose(0, 1)
    np.testing.assert_array_equal(to_weight.numpy(), swapped.numpy())
    np.testing.assert_array_equal(to_bias.numpy(), grad.numpy().sum((0, *range(2, grad.ndim))))


def test_infinity_reaches_only_the_weights_that_met_it() -> None:
    x = unspool.zeros(1, 40, 8, 8)
    x[0, 3, 0, 0] = float("inf")
    weight = unspool.zeros(48, 40, 3, 3, requires_grad=True)
    result = F.conv2d(x, weight)
    grad = unspool.zeros_like(result)
    grad[0, 5, 0, 0] = 1
    (to_weight,) = unspool.autograd.grad(result, weight, grad)
    where = np.argwhere(~np.isfinite(to_weight.numpy())).tolist()
    assert [5, 3, 0, 0] in where
    assert all(channel == 3 for _, channel, _, _ in where)


# batch, channels, filters, size, kernel, stride, groups: filters in many parts that share a stage, which
# holds bands of an image, one image, several, or more than are summed at a time
PARTS: tuple[tuple[int, int, int, tuple[int, ...], int, int, int], ...] = (
    (2, 32, 256, (40, 43), 3, 1, 1),
    (3, 17, 256, (9, 8), 3, 1, 1),
    (5, 40, 320, (30, 31), 3, 2, 1),
    (37, 9, 288, (8, 9), 3, 1, 1),
    (3, 24, 512, (21, 20), 3, 1, 4),
    (4, 3, 512, (3000,), 5, 3, 1),
    (2, 20, 200, (16, 16), 3, 1, 1),
    (3, 120, 120, (9, 9), 3, 2, 120),
)


@pytest.mark.parametrize("shape", PARTS, ids=str)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
def test_weights_of_many_filters_have_exact_gradients(shape: Any, dtype: unspool.dtype, threads: int) -> None:
    batch, channels, filters, size, kernel, stride, groups = shape
    rng = np.random.default_rng(3)
    convolve = (F.conv1d, F.conv2d)[len(size) - 1]
    x = unspool.tensor(rng.integers(-3, 4, (batch, channels, *size)))
    weight = unspool.zeros(filters, channels // groups, *(kernel for _ in size), dtype=dtype)
    weight.requires_grad_()
    result = convolve(x.to(dtype), weight, stride=stride, padding=kernel // 2, groups=groups)
    grad = unspool.tensor(rng.integers(-3, 4, tuple(result.shape)))
    (found,) = unspool.autograd.grad(result, [weight], grad.to(dtype))
    for g in range(groups):
        read = slice(g * channels // groups, (g + 1) * channels // groups)
        written = slice(g * filters // groups, (g + 1) * filters // groups)
        swapped = convolve(
            x[:, read].transpose(0, 1),
            grad[:, written].transpose(0, 1),
            padding=kernel // 2,
            dilation=stride,
        ).transpose(0, 1)
        wanted = swapped[(slice(None), slice(None), *(slice(0, kernel) for _ in size))]
        np.testing.assert_array_equal(found[written].detach().numpy(), wanted.numpy())


# batch, channels, filters, size, kernel, stride, groups: several images meet the same weights at once
SMALL: tuple[tuple[int, int, int, tuple[int, ...], tuple[int, ...], int, int], ...] = (
    (7, 64, 64, (4, 4), (3, 3), 1, 1),
    (13, 96, 160, (2, 2), (3, 3), 1, 1),
    (5, 64, 96, (7, 7), (3, 3), 2, 1),
    (11, 128, 64, (4, 4), (3, 3), 1, 2),
    (9, 160, 160, (4, 4), (4, 4), 2, 1),
    (20, 32, 48, (1, 1), (1, 1), 1, 1),
    (6, 64, 64, (5,), (3,), 1, 1),
    (5, 32, 64, (2, 3, 2), (3, 3, 3), 1, 1),
)


@pytest.mark.parametrize("shape", SMALL, ids=str)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
def test_small_images_of_a_batch_do_not_meet(shape: Any, dtype: unspool.dtype, threads: int) -> None:
    batch, channels, filters, size, kernel, stride, groups = shape
    rng = np.random.default_rng(3)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(size) - 1]
    options = {"padding": 1 if kernel[0] > 1 else 0, "stride": stride, "groups": groups}
    x = unspool.tensor(rng.integers(-3, 4, (batch, channels, *size)), dtype=dtype, requires_grad=True)
    weight = rng.integers(-3, 4, (filters, channels // groups, *kernel))
    weight = unspool.tensor(weight, dtype=dtype, requires_grad=True)
    result = convolve(x, weight, **options)
    wanted = convolve(x.long(), weight.long(), **options)
    np.testing.assert_array_equal(result.detach().numpy(), wanted.numpy())
    grad = unspool.tensor(rng.integers(-3, 4, tuple(result.shape)), dtype=dtype)
    to_x, to_weight = unspool.autograd.grad(result, [x, weight], grad)
    sums = unspool.zeros_like(weight)
    for i in range(batch):  # one image at a time
        alone = convolve(x[i : i + 1], weight, **options)
        to_one, to_weights = unspool.autograd.grad(alone, [x, weight], grad[i : i + 1])
        np.testing.assert_array_equal(to_one[i].numpy(), to_x[i].numpy())
        sums += to_weights
    np.testing.assert_array_equal(sums.numpy(), to_weight.numpy())


# batch, channels, filters, size, kernel, stride, groups; the last is read in bands
@pytest.mark.parametrize(
    "shape",
    [
        (3, 16, 32, (8, 8), (1, 1), 2, 1),
        (2, 12, 6, (5, 7), (2, 1), 3, 3),
        (9, 64, 64, (4, 4), (1, 1), 2, 1),
        (1, 40, 3, (70, 40), (2, 2), 3, 1),
        (2, 5, 7, (9,), (2,), 4, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
def test_places_that_no_tap_reaches_hold_the_bias(shape: Any, dtype: unspool.dtype, threads: int) -> None:
    batch, channels, filters, size, kernel, stride, groups = shape
    rng = np.random.default_rng(4)
    spread = (F.conv_transpose1d, F.conv_transpose2d)[len(size) - 1]
    x = unspool.tensor(rng.integers(-3, 4, (batch, channels, *size)))
    weight = unspool.tensor(rng.integers(-3, 4, (channels, filters // groups, *kernel)))
    bias = unspool.tensor(rng.integers(-3, 4, filters))
    for options in ({}, {"bias": bias}):
        wanted = spread(x, weight, stride=stride, groups=groups, output_padding=1, **options)
        options = {name: each.to(dtype) for name, each in options.items()}
        found = spread(
            x.to(dtype), weight.to(dtype), stride=stride, groups=groups, output_padding=1, **options
        )
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


# batch, channels, filters, size, kernel, padding, dilation, stride, groups: outer taps meet only padding
@pytest.mark.parametrize(
    "shape",
    [
        (5, 64, 32, (1, 1), (3, 3), 1, 1, 1, 1),
        (3, 6, 8, (4, 5), (3, 3), 6, 6, 1, 2),
        (2, 16, 16, (8, 3), (3, 5), 7, 3, 2, 1),
        (4, 3, 5, (2,), (7,), 6, 2, 1, 1),
        (2, 4, 6, (1, 3, 2), (3, 3, 3), 3, 3, 1, 1),
        (1, 2, 2, (3, 3), (2, 2), 4, 1, 4, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64, unspool.int64], ids=str)
def test_taps_that_meet_only_padding_are_left_out(shape: Any, dtype: unspool.dtype, threads: int) -> None:
    batch, channels, filters, size, kernel, padding, dilation, stride, groups = shape
    rng = np.random.default_rng(6)
    dims = len(size)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]
    x = rng.integers(-3, 4, (batch, channels, *size))
    weight = rng.integers(-3, 4, (filters, channels // groups, *kernel))
    padded = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * dims)
    reach = [dilation * (k - 1) for k in kernel]
    counts = [(n + 2 * padding - r - 1) // stride + 1 for n, r in zip(size, reach, strict=True)]
    wanted = np.zeros((batch, filters, math.prod(counts)), np.int64)
    to_weight = np.zeros_like(weight)
    grad = rng.integers(-3, 4, wanted.shape)
    each = filters // groups, channels // groups
    for tap in np.ndindex(*kernel):
        first = [t * dilation for t in tap]
        last = [t + (n - 1) * stride + 1 for t, n in zip(first, counts, strict=True)]
        window = [slice(*ends, stride) for ends in zip(first, last, strict=True)]
        seen = padded[(slice(None), slice(None), *window)].reshape(batch, channels, -1)
        for g in range(groups):
            out, read = (slice(g * n, (g + 1) * n) for n in each)
            wanted[:, out] += np.einsum("bcp,fc->bfp", seen[:, read], weight[out][(..., *tap)])
            to_weight[out][(..., *tap)] += np.einsum("bcp,bfp->fc", seen[:, read], grad[:, out])
    wanted, grad = (array.reshape(batch, filters, *counts) for array in (wanted, grad))
    options = {"padding": padding, "dilation": dilation, "stride": stride, "groups": groups}
    leaves = [unspool.tensor(array, dtype=dtype) for array in (x, weight)]
    if dtype == unspool.int64:
        np.testing.assert_array_equal(convolve(*leaves, **options).numpy(), wanted)
        return
    for leaf in leaves:
        leaf.requires_grad_()
    result = convolve(*leaves, **options)
    np.testing.assert_array_equal(result.detach().numpy(), wanted)
    to_x, found = unspool.autograd.grad(result, leaves, unspool.tensor(grad, dtype=dtype))
    np.testing.assert_array_equal(found.numpy(), to_weight)
    # <grad, conv(e)> is the derivative by the element that e is 1 at.
    for place in [tuple(rng.integers(0, n) for n in x.shape) for _ in range(5)]:
        one = np.zeros_like(x)
        one[place] = 1
        effect = convolve(unspool.tensor(one), unspool.tensor(weight), **options).numpy()
        assert to_x[place].item() == (effect * grad).sum()
