"""Depthwise convolutions of images no wider than a register, in both directions, by whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F

# batch, groups, filters of a group, size, kernel, stride, padding, dilation
SHAPES: tuple[
    tuple[
        int,
        int,
        int,
        tuple[int, ...],
        tuple[int, ...],
        tuple[int, ...],
        tuple[int, ...],
        tuple[int, ...],
    ],
    ...,
] = (
    (2, 5, 1, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 3, 1, (14, 14), (5, 5), (2, 2), (2, 2), (1, 1)),
    (3, 2, 3, (16, 16), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 4, 1, (9, 8), (7, 7), (1, 1), (3, 3), (1, 1)),
    (2, 3, 2, (8, 4), (4, 2), (3, 2), (2, 1), (2, 1)),
    (1, 6, 1, (30, 5), (3, 3), (2, 1), (4, 2), (3, 2)),  # padding beyond the kernel's reach
    (2, 3, 1, (1, 9), (1, 4), (1, 3), (0, 2), (1, 1)),
    (2, 7, 1, (13,), (5,), (2,), (2,), (1,)),
    (1, 2, 1, (5, 7), (2, 3), (4, 4), (0, 0), (1, 1)),  # a stride beyond the kernel: outputs without taps
    (1, 130, 1, (7, 7), (3, 3), (2, 2), (1, 1), (1, 1)),
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
def test_whole_numbers_are_exact(shape: Any, has_bias: bool, dtype: unspool.dtype, threads: int) -> None:
    batch, groups, filters, size, kernel, stride, padding, dilation = shape
    rng = np.random.default_rng(7)
    convolve = (F.conv1d, F.conv2d)[len(size) - 1]
    spread = (F.conv_transpose1d, F.conv_transpose2d)[len(size) - 1]
    x = unspool.tensor(rng.integers(-3, 4, (batch, groups, *size)))
    weight = unspool.tensor(rng.integers(-3, 4, (groups * filters, 1, *kernel)))
    bias = unspool.tensor(rng.integers(-3, 4, groups * filters)) if has_bias else None
    geometry: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    as_dtype = None if bias is None else bias.to(dtype)
    direct = convolve(x.to(dtype), weight.to(dtype), as_dtype, **geometry)
    np.testing.assert_array_equal(direct.numpy(), convolve(x, weight, bias, **geometry).numpy())
    more = tuple(min(1, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
    back = weight.reshape(groups, filters, *kernel)
    transposed = spread(x.to(dtype), back.to(dtype), as_dtype, output_padding=more, **geometry)
    wanted = spread(x, back, bias, output_padding=more, **geometry)
    np.testing.assert_array_equal(transposed.numpy(), wanted.numpy())


def test_numbers_are_summed_in_the_order_of_wider_images() -> None:
    unspool.manual_seed(0)
    x, weight = unspool.randn(3, 20, 12, 7), unspool.randn(20, 1, 3, 5)
    narrow = F.conv2d(x, weight, padding=(1, 2), groups=20)
    wide = F.conv2d(F.pad(x, (0, 40)), weight, padding=(1, 2), groups=20)
    np.testing.assert_array_equal(narrow.numpy(), wide[..., :7].numpy())
