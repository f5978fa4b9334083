"""Convolutions in which much of the kernel lies over padding: outputs meet parts of it, by whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F

# batch, channels, filters, size, kernel, stride, padding, dilation, groups
SHAPES: tuple[tuple[int, int, int, tuple[int, ...], tuple[int, ...], int, tuple[int, ...], int, int], ...] = (
    (2, 40, 64, (16, 16), (3, 3), 1, (12, 12), 12, 1),  # outer taps meet a few rows and columns
    (1, 160, 32, (33, 30), (3, 3), 1, (9, 9), 9, 1),  # the same in bands
    (3, 33, 48, (7, 7), (3, 3), 1, (1, 1), 1, 1),  # images that share rows of results
    (7, 17, 32, (2, 2), (3, 3), 1, (1, 1), 1, 1),
    (1, 20, 32, (2, 2), (3, 3), 1, (1, 1), 1, 1),  # too few outputs of a kind
    (5, 16, 33, (7, 6), (5, 7), 1, (2, 3), 1, 1),
    (2, 12, 32, (30,), (19,), 1, (9,), 1, 1),  # more kinds than are told apart
    (3, 24, 64, (14, 13), (3, 3), 2, (1, 1), 1, 1),
    (3, 24, 64, (9, 14), (4, 4), 2, (1, 1), 1, 2),
    (2, 18, 32, (5, 4, 3), (3, 3, 3), 1, (1, 1, 1), 1, 1),
    (2, 16, 32, (4, 6), (3, 3), 3, (2, 2), 2, 1),
    (1, 24, 32, (6, 5), (2, 2), 1, (3, 3), 1, 1),  # outputs that meet no tap
    (1, 260, 32, (38, 37), (3, 3), 1, (1, 1), 1, 1),  # first, inner and last bands
    (11, 300, 40, (5, 5), (3, 3), 1, (1, 1), 1, 1),
)


def numbers(rng: np.random.Generator, *sizes: int) -> unspool.Tensor:
    return unspool.tensor(rng.integers(-3, 4, sizes))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [unspool.float32, unspool.float64], ids=str)
def test_padding_adds_nothing(shape: Any, dtype: unspool.dtype, threads: int) -> None:
    batch, channels, filters, size, kernel, stride, padding, dilation, groups = shape
    rng = np.random.default_rng(5)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(size) - 1]
    spread = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[len(size) - 1]
    x = numbers(rng, batch, channels * groups, *size)
    weight = numbers(rng, filters * groups, channels, *kernel)
    bias = numbers(rng, filters * groups)
    geometry: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    wanted = convolve(x, weight, bias, **geometry)
    grad = numbers(rng, *wanted.shape)
    leaves = [each.to(dtype).requires_grad_() for each in (x, weight)]
    result = convolve(*leaves, bias.to(dtype), **geometry)
    np.testing.assert_array_equal(result.detach().numpy(), wanted.numpy())
    to_x, to_weight = unspool.autograd.grad(result, leaves, grad.to(dtype))
    rest = tuple(n - m for n, m in zip(size, spread(grad, weight, **geometry).shape[2:], strict=True))
    np.testing.assert_array_equal(to_x.numpy(), spread(grad, weight, output_padding=rest, **geometry).numpy())
    for g in range(groups):
        read, written = slice(g * channels, (g + 1) * channels), slice(g * filters, (g + 1) * filters)
        swapped = convolve(
            x[:, read].transpose(0, 1),
            grad[:, written].transpose(0, 1),
            padding=padding,
            stride=dilation,
            dilation=stride,
        ).transpose(0, 1)
        inside = (slice(None), slice(None), *(slice(0, n) for n in kernel))
        np.testing.assert_array_equal(to_weight[written].numpy(), swapped[inside].numpy())


# images, channels, filters: the last ones meet their weights together, while those are packed
@pytest.mark.parametrize("sizes", [(9, 64, 64), (5, 160, 192), (8, 520, 256)], ids=str)
@pytest.mark.parametrize("convolve", [F.conv2d, F.conv_transpose2d])
def test_outputs_do_not_depend_on_how_many_images_share_a_batch(sizes: Any, convolve: Any) -> None:
    images, channels, filters = sizes
    unspool.manual_seed(0)
    x, bias = unspool.randn(images, channels, 5, 6), unspool.randn(filters)
    weight = unspool.randn(filters, channels, 3, 3)
    if convolve is F.conv_transpose2d:
        weight = weight.transpose(0, 1).contiguous()
    whole = convolve(x, weight, bias, padding=1).numpy()
    for start, end in ((0, 1), (3, 5), (images - 1, images)):
        part = convolve(x[start:end], weight, bias, padding=1)
        np.testing.assert_array_equal(whole[start:end], part.numpy())
