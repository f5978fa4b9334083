"""Warps: where each pixel of a result comes from. How they are made, put after one another, and carried out.

A warp goes backwards: from a pixel of the result to a place in the image. Numbers may be given for all images
or, as tensors (N,), one for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import unspool
from unspool import _core
from unspool._core import Tensor, float32, float64

Number: TypeAlias = "float | Tensor"
Size: TypeAlias = tuple[int, int]  # height, width

_CLOSE = 1e-6  # pixels: when key points count as found
_ROUNDS = 100


@dataclass(frozen=True)
class Warp:
    """A pixel q of the result comes from the place ``matrix @ (x, y, 1) + displacement`` of the image.

    Attributes:
        matrix: (N, 3, 3), float64; affine.
        size: of the result.
        displacement: (N, 2, height, width) of the result, in pixels of the image, float64, or None.
    """

    matrix: Tensor
    size: Size
    displacement: Tensor | None = None

    def then(self, later: Warp) -> Warp:
        """Give the warp that does this one first and the later one with its result."""
        matrix = self.matrix @ later.matrix
        field = None
        if later.displacement is not None:
            n, _, h, w = later.displacement.shape
            linear = self.matrix[:, :2, :2]
            field = (linear @ later.displacement.reshape(n, 2, h * w)).reshape(n, 2, h, w)
        if self.displacement is not None:
            own = later.images(self.displacement, "bilinear", "border", 0.0)
            field = own if field is None else field + own
        return Warp(matrix, later.size, field)

    def only(self, chosen: Tensor) -> Warp:
        """Leave the images as they are where ``chosen`` (N,) is False; the size must not change."""
        matrix = unspool.where(chosen[:, None, None], self.matrix, unspool.eye(3, dtype=float64))
        field = self.displacement
        return Warp(matrix, self.size, None if field is None else field * chosen[:, None, None, None])

    def images(self, images: Tensor, mode: str, padding_mode: str, fill: float) -> Tensor:
        """Carry it out on (N, C, H, W)."""
        dtype = float64 if images.dtype == float64 else float32
        field = None if self.displacement is None else self.displacement.to(dtype)
        is_half = images.is_floating_point() and images.dtype not in (float32, float64)
        given = images.float() if is_half else images
        matrix = self.matrix[:, :2].to(dtype)
        warped = sample(given, matrix, field, self.size, mode, padding_mode, fill)
        return warped.to(images.dtype) if is_half else warped

    def points(self, points: Tensor) -> Tensor:
        """Say where places (N, K, 2) of the images, float64, are in the results."""
        inverse = unspool.linalg.inv(self.matrix)
        linear, offset = inverse[:, :2, :2].transpose(1, 2), inverse[:, None, :2, 2]
        found = points @ linear + offset
        if self.displacement is None:
            return found
        # p = M q + D(q), so q = M^-1 (p - D(q)): half steps get there, where the field does not fold.
        for _ in range(_ROUNDS):
            previous = found
            target = (points - _sampled(self.displacement, found)) @ linear + offset
            found = (found + target) / 2
            if found.numel() == 0 or (found - previous).abs().max().item() < _CLOSE:
                break
        return found


def fitting(caller: str, images: Tensor, fill: float) -> float:
    """Give a fill value as one of the images' dtype; ValueError if it has none such."""
    if images.is_floating_point():
        return float(fill)
    low, high = (
        (0, 1)
        if images.dtype == unspool.bool
        else (
            unspool.iinfo(images.dtype).min,
            unspool.iinfo(images.dtype).max,
        )
    )
    if not (low <= fill <= high and int(fill) == fill):
        raise ValueError(f"{caller}: fill must be a whole number of {images.dtype}, got {fill}")
    return int(fill)


def sample(
    images: Tensor,
    matrix: Tensor,
    displacement: Tensor | None,
    size: Size,
    mode: str,
    padding_mode: str,
    fill: float,
) -> Tensor:
    """Call the operation with a fill value that fits."""
    value = fitting("warp_image", images, fill)
    return _core.hidden.warp_image(images, matrix, displacement, list(size), mode, padding_mode, value)


def _sampled(field: Tensor, places: Tensor) -> Tensor:
    """The values (N, K, 2) of a field (N, 2, h, w) at places (N, K, 2) in pixels."""
    h, w = field.shape[2:]
    sizes = unspool.tensor([w, h], dtype=float64)
    grid = ((2 * places + 1) / sizes - 1).unsqueeze(1)
    found = unspool.nn.functional.grid_sample(field, grid, padding_mode="border", align_corners=False)
    return found[:, :, 0].transpose(1, 2)


def _matrix(count: int, entries: tuple[tuple[Number, Number, Number], ...]) -> Tensor:
    """(count, 3, 3) from the two rows of an affine map."""
    rows = [*entries[0], *entries[1], 0.0, 0.0, 1.0]
    columns = [
        e.to(float64).reshape(-1).expand(count)
        if isinstance(e, Tensor)
        else unspool.full((count,), float(e), dtype=float64)
        for e in rows
    ]
    return unspool.stack(columns, 1).reshape(count, 3, 3)


def _about_center(count: int, size: Size, a: Number, b: Number, c: Number, d: Number) -> Warp:
    """The linear map (a b; c d), with the center of the image where it is."""
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    rows = ((a, b, x - a * x - b * y), (c, d, y - c * x - d * y))
    return Warp(_matrix(count, rows), size)


def shift(count: int, size: Size, x: Number, y: Number) -> Warp:
    """Move the content by x to the right and y down."""
    return Warp(_matrix(count, ((1.0, 0.0, -x), (0.0, 1.0, -y))), size)


def rotate(count: int, size: Size, degrees: Number) -> Warp:
    """Turn the content counter-clockwise about the center."""
    if isinstance(degrees, Tensor):
        angle = degrees.to(float64) * (math.pi / 180)
        cos: Number = angle.cos()
        sin: Number = angle.sin()
    else:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _about_center(count, size, cos, -sin, sin, cos)


def flip(count: int, size: Size, horizontal: bool | Tensor, vertical: bool | Tensor) -> Warp:
    """Mirror left and right, or top and bottom, where asked for."""

    def sign(is_flipped: bool | Tensor) -> Number:
        return 1.0 - 2.0 * (is_flipped.to(float64) if isinstance(is_flipped, Tensor) else is_flipped)

    return _about_center(count, size, sign(horizontal), 0.0, 0.0, sign(vertical))


def scale(count: int, size: Size, factor: Number) -> Warp:
    """Enlarge the content by a factor about the center."""
    return _about_center(count, size, 1 / factor, 0.0, 0.0, 1 / factor)


def shear(count: int, size: Size, x_degrees: Number, y_degrees: Number) -> Warp:
    """Slant the content: x grows by tan(x_degrees) y, and y by tan(y_degrees) x, about the center."""
    a, b = _tangent(x_degrees), _tangent(y_degrees)
    determinant = 1 - a * b
    return _about_center(count, size, 1 / determinant, -a / determinant, -b / determinant, 1 / determinant)


def _tangent(degrees: Number) -> Number:
    if isinstance(degrees, Tensor):
        return (degrees.to(float64) * (math.pi / 180)).tan()
    return math.tan(math.radians(degrees))


def crop(count: int, top: Number, left: Number, size: Size) -> Warp:
    """Take a part whose first pixel is at (left, top)."""
    return Warp(_matrix(count, ((1.0, 0.0, left), (0.0, 1.0, top))), size)


def spline_points(pixels: int, spacing: float) -> int:
    """How many control points lie along that many pixels."""
    return math.floor((pixels - 1) / spacing) + 4


def _spline_weights(pixels: int, spacing: float) -> Tensor:
    """(pixels, control points): cubic B-splines, with rows of length 1."""
    at = unspool.arange(pixels, dtype=float64) / spacing
    distance = (at[:, None] + 1 - unspool.arange(spline_points(pixels, spacing), dtype=float64)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp_min(0) ** 3 / 6
    weights = unspool.where(distance < 1, near, far)
    return weights / weights.square().sum(1, keepdim=True).sqrt()


def elastic(size: Size, control: Tensor, spacing: float) -> Warp:
    """Displace by a smooth field: control (N, 2, rows, columns) spread by B-splines."""
    down, across = _spline_weights(size[0], spacing), _spline_weights(size[1], spacing)
    field = down @ control.to(float64) @ across.transpose(0, 1)
    return Warp(unspool.eye(3, dtype=float64).expand(len(control), 3, 3), size, field)
