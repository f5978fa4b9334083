"""Transposed convolutions over the edges of narrow images, where columns of the kernel are kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F

# channels, filters, groups, (height, width), kernel, padding, dilation
SHAPES: tuple[tuple[int, int, int, tuple[int, int], tuple[int, int], Any, Any], ...] = (
    (16, 6, 1, (10, 10), (5, 5), 0, 1),
    (5, 7, 1, (8, 8), (3, 5), 0, 1),
    (4, 3, 1, (3, 12), (5, 2), (1, 0), 1),
    (6, 4, 2, (9, 11), (4, 7), (0, 2), 1),
    (9, 6, 3, (6, 4), (3, 5), 0, (2, 1)),
    (3, 5, 1, (7, 10), (3, 3), 0, (1, 3)),
    (8, 2, 1, (1, 6), (1, 5), 0, 1),
    (3, 4, 1, (1, 1), (6, 6), 0, 1),
    (2, 33, 1, (4, 20), (2, 11), (0, 3), 1),
)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_numbers_are_exact_and_threads_change_nothing(shape: Any, dtype: str) -> None:
    channels, filters, groups, size, kernel, padding, dilation = shape
    rng = np.random.default_rng(1)
    x = rng.integers(-4, 5, (7, channels, *size))
    weight = rng.integers(-4, 5, (channels, filters // groups, *kernel))
    bias = rng.integers(-4, 5, filters - filters % groups)
    before = unspool.get_num_threads()

    def result(kind: str, with_bias: bool, threads: int) -> Any:
        unspool.set_num_threads(threads)
        operands = [unspool.from_numpy(a.astype(kind)) for a in (x, weight, bias)]
        offset = operands[2] if with_bias else None
        options = {"padding": padding, "dilation": dilation, "groups": groups}
        return F.conv_transpose2d(operands[0], operands[1], offset, **options).numpy()

    try:
        for with_bias in (False, True):
            wanted = result("int64", with_bias, 1)
            for threads in (1, 3):
                np.testing.assert_array_equal(result(dtype, with_bias, threads), wanted)
    finally:
        unspool.set_num_threads(before)


def test_an_image_of_a_batch_is_computed_as_alone() -> None:
    x, weight = unspool.randn(5, 16, 10, 10), unspool.randn(16, 6, 5, 5)
    together = F.conv_transpose2d(x, weight)
    for i in range(5):
        np.testing.assert_array_equal(
            F.conv_transpose2d(x[i : i + 1], weight).numpy()[0], together.numpy()[i]
        )


def test_nan_and_infinity_reach_only_the_outputs_under_their_kernel() -> None:
    x = unspool.ones(1, 4, 10, 10)
    x[0, 0, 4, 9] = float("nan")
    x[0, 1, 0, 0] = float("inf")
    out = F.conv_transpose2d(x, unspool.ones(4, 3, 5, 5)).numpy()
    nan, infinite = np.zeros((14, 14), bool), np.zeros((14, 14), bool)
    nan[4:9, 9:], infinite[:5, :5] = True, True
    for f in range(3):
        np.testing.assert_array_equal(np.isnan(out[0, f]), nan)
        np.testing.assert_array_equal(np.isinf(out[0, f]), infinite)
