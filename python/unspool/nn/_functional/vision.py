"""Resizing and sampling of planes: what is added to the operations are the many ways to say a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import unspool
from unspool import _core
from unspool._arguments import require_tensors
from unspool._core import Tensor
from unspool._core import functional as ops
from unspool._warning import warn

RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")


def _scales(scale_factor: Any, ndim: int) -> list[float]:
    scales = list(scale_factor) if isinstance(scale_factor, Sequence) else [scale_factor] * ndim
    if len(scales) != ndim:
        raise ValueError(f"interpolate: scale_factor {scale_factor} must be one number or {ndim}")
    return [float(scale) for scale in scales]


def _target(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float]]:
    """(sizes, inverse scale factors, 0 where sizes decide)."""
    ndim = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: exactly one of size and scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size")
        sizes = [int(n) for n in size] if isinstance(size, Sequence) else [int(size)] * ndim
        if len(sizes) != ndim:
            raise ValueError(
                f"interpolate: size {tuple(sizes)} must be one number or {ndim} for {tuple(input.shape)}"
            )
        return sizes, [0.0] * ndim
    scales = _scales(scale_factor, ndim)
    sizes = [math.floor(float(n) * scale) for n, scale in zip(input.shape[2:], scales, strict=True)]
    steps = [0.0 if recompute or scale <= 0 else 1 / scale for scale in scales]
    return sizes, steps


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in MODES:
        raise NotImplementedError(f"interpolate: mode must be one of {MODES}, got {mode!r}")
    if mode not in RANKS and align_corners is not None:
        raise ValueError(
            "interpolate: align_corners option can only be set with the interpolating modes: "
            + ", ".join(RANKS)
        )
    if not 3 <= input.ndim <= 5:
        raise NotImplementedError(f"interpolate: input must have 3 to 5 dimensions, got {tuple(input.shape)}")
    if RANKS.get(mode, input.ndim) != input.ndim:
        raise NotImplementedError(
            f"interpolate: mode {mode!r} needs {RANKS[mode]} dimensions, got input {tuple(input.shape)}"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias goes with modes 'bilinear' and 'bicubic', not {mode!r}")


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes the dimensions behind N and C.

    Args:
        input: (N, C, W), (N, C, H, W) or (N, C, D, H, W).
        size: of the result, one number or one for each dimension.
        scale_factor: the same relative to the input; exactly one of both is needed.
        mode: "nearest" (with a shift of half an element, for compatibility), "nearest-exact", "linear" (3-d),
            "bilinear" and "bicubic" (4-d; Keys 1981 with a = -3/4), "trilinear" (5-d), or "area" (means).
        align_corners: whether the centers of the corner elements stay in place, not their outer corners.
        recompute_scale_factor: derive the scale from the sizes instead of taking ``scale_factor`` literally.
        antialias: smooth before shrinking, for "bilinear" and "bicubic".

    Raises:
        ValueError: none or both of size and scale_factor, or options that do not go with the mode.
        NotImplementedError: an unknown mode, or one that does not fit the number of dimensions.
    """
    require_tensors("interpolate", input=input)
    _check_mode(input, mode, align_corners, antialias)
    sizes, steps = _target(input, size, scale_factor, recompute_scale_factor)
    ndim = input.ndim - 2
    if mode == "area":
        pools = (ops.adaptive_avg_pool1d, ops.adaptive_avg_pool2d, ops.adaptive_avg_pool3d)
        return pools[ndim - 1](input, sizes)
    padded = [0.0] * (3 - ndim) + steps
    if mode in ("nearest", "nearest-exact"):
        return _core.hidden.resample_nearest(input, sizes, mode == "nearest-exact", *padded)
    kernel = "cubic" if mode == "bicubic" else "linear"
    if input.dtype == unspool.uint8:
        for dim in range(input.ndim - 1, 1, -1):
            input = _resized_bytes(
                input, dim, sizes[dim - 2], steps[dim - 2], kernel, bool(align_corners), antialias
            )
        return input
    return _core.hidden.resample(input, sizes, kernel, bool(align_corners), antialias, *padded)


def _resized_bytes(
    image: Tensor, dim: int, size: int, step: float, kernel: str, align_corners: bool, antialias: bool
) -> Tensor:
    """One dimension of a uint8 image: weights in fixed point (16 bits with sign), and rounded at once."""
    n = image.shape[dim]
    if n == size:
        return image
    unit = unspool.eye(n, dtype=unspool.float64).unsqueeze(0)
    weights = _core.hidden.resample(unit, [size], kernel, align_corners, antialias, 0.0, 0.0, step)[0]
    largest, bits = float(weights.max()), 0
    while bits < 22 and int(largest * 2 ** (bits + 1) + 0.5) < 2**15:
        bits += 1
    whole = unspool.trunc(weights * 2**bits + unspool.where(weights < 0, -0.5, 0.5)).long()
    sums = unspool.matmul(image.transpose(dim, -1).long(), whole)
    rounded = unspool.bitwise_right_shift(sums + 2 ** (bits - 1), bits).clamp(0, 255)
    return rounded.to(unspool.uint8).transpose(dim, -1).contiguous()


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Old name of ``interpolate``."""
    warn("nn.functional.upsample is deprecated; use interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Old name of ``interpolate`` with mode "nearest"."""
    warn("nn.functional.upsample_nearest is deprecated; use interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Old name of ``interpolate`` with mode "bilinear" and aligned corners."""
    warn("nn.functional.upsample_bilinear is deprecated; use interpolate")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_of_corners(name: str) -> None:
    warn(
        f"{name}: align_corners was left out and counts as False (as in PyTorch since 1.3, where it was True"
        " before); pass align_corners to say which is meant",
    )


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Samples the input at the points of a grid (Jaderberg et al. 2015).

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, h, w, 2) or (N, d, h, w, 3): points (x, y) or (x, y, z), where -1 and 1 are the edges.
        mode: "bilinear" (trilinear for 5-d), "nearest", or "bicubic" (4-d only).
        padding_mode: what lies beyond the edges: "zeros", "border" (the edge goes on) or "reflection".
        align_corners: whether -1 and 1 are the centers of the corner elements instead of their outer corners.

    Returns:
        (N, C, h, w) or (N, C, d, h, w).

    Raises:
        ValueError: an unknown mode.
        RuntimeError: shapes or dtypes that do not go together.
    """
    require_tensors("grid_sample", input=input, grid=grid)
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"grid_sample: mode must be 'bilinear', 'nearest' or 'bicubic', got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"grid_sample: padding_mode must be 'zeros', 'border' or 'reflection', got {padding_mode!r}"
        )
    orders = [0] * max(input.ndim - 2, 1)
    sampled = _core.hidden.grid_sample_at(input, grid, mode, padding_mode, bool(align_corners), orders)
    if align_corners is None:
        _warn_of_corners("grid_sample")
    return sampled


def _centers(n: int, align_corners: bool, like: Tensor) -> Tensor:
    """Coordinates from -1 to 1 of n elements."""
    if n <= 1:
        return unspool.zeros(n, dtype=like.dtype, device=like.device)
    line = unspool.linspace(-1, 1, n, dtype=like.dtype, device=like.device)
    return line if align_corners else line * (n - 1) / n


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid of points that an affine map gives, for ``grid_sample``.

    Args:
        theta: (N, 2, 3) or (N, 3, 4).
        size: (N, C, H, W) or (N, C, D, H, W) of the sampled result.
        align_corners: as for ``grid_sample``.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: theta that is not floating or does not fit the size; a size with zeros.
        NotImplementedError: a size of another length.
    """
    require_tensors("affine_grid", theta=theta)
    if not theta.is_floating_point():
        raise ValueError(f"affine_grid: expected theta to have floating point type, got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: size must have 4 or 5 numbers, got {tuple(size)}")
    ndim = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (ndim, ndim + 1):
        raise ValueError(
            f"affine_grid: expected theta of shape (N, {ndim}, {ndim + 1}) for size {tuple(size)},"
            f" got {tuple(theta.shape)}"
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: expected non-zero, positive output size, got {tuple(size)}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(
            f"affine_grid: theta {tuple(theta.shape)} does not fit the batch of size {tuple(size)}"
        )
    if align_corners is None:
        _warn_of_corners("affine_grid")
    lines = [_centers(int(n), bool(align_corners), theta) for n in size[2:]]
    axes = list(unspool.meshgrid(*lines, indexing="ij"))[::-1]
    base = unspool.stack([*axes, unspool.ones_like(axes[0])], -1).reshape(1, -1, ndim + 1)
    points = unspool.matmul(base.expand(theta.shape[0], -1, -1), theta.transpose(1, 2))
    return points.reshape(theta.shape[0], *size[2:], ndim)
