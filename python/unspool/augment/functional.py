"""The transforms with explicit parameters: a number for all images, or a tensor (N,) with one for each.

All take images (N, C, H, W), uint8 or floating. Geometric ones are differentiable in floating images.
"""

from __future__ import annotations

import unspool
from unspool._core import Generator, Tensor
from unspool.augment import _warp
from unspool.augment._warp import Number, Size, Warp

__all__ = [
    "crop",
    "cutout",
    "elastic_distort",
    "flip",
    "noise",
    "rotate",
    "scale",
    "shear",
    "shift",
    "warp_image",
]


def warp_image(
    input: Tensor,
    matrix: Tensor,
    displacement: Tensor | None = None,
    size: Size | None = None,
    mode: str = "bilinear",
    padding_mode: str = "constant",
    fill: float = 0.0,
) -> Tensor:
    """Samples images at ``matrix @ (x, y, 1) + displacement(x, y)`` for every pixel (x, y) of the result.

    Positions are in pixels, (0, 0) is the center of the first one. One kernel for all images: nothing of the
    size of a grid is made. Differentiable, any number of times, in all three tensors when ``mode`` is
    "bilinear"; "nearest" has no gradient.

    Args:
        input: (N, C, H, W): floating or uint8 (rounded to the nearest) for "bilinear", any dtype for
            "nearest".
        matrix: (N, 2, 3); float64 for float64 images, otherwise float32.
        displacement: (N, 2, h, w): along x and along y, in pixels of the input; dtype as for matrix.
        size: (h, w) of the result; as the input when left out.
        mode: "bilinear" or "nearest".
        padding_mode: what lies beyond the edges: "constant" (the fill value), "border" (the edge goes on) or
            "reflection" (about the outer edges of the pixels).
        fill: the value for "constant"; for integers a whole number that they have.

    Returns:
        (N, C, h, w), of the input's dtype.

    Raises:
        RuntimeError: shapes or dtypes that do not go together.
        ValueError: an unknown mode; a fill value that the dtype does not have.
        TypeError: images of integers in mode "bilinear".
    """
    _require("warp_image", input)
    height, width = size if size is not None else tuple(input.shape[2:])
    return _warp.sample(input, matrix, displacement, (height, width), mode, padding_mode, fill)


def _require(caller: str, images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"{caller}: images must be a tensor, got {type(images).__name__}")
    if images.ndim != 4:
        raise ValueError(f"{caller}: images must be (N, C, H, W), got {tuple(images.shape)}")


def _frame(caller: str, images: Tensor) -> tuple[int, Size]:
    _require(caller, images)
    return len(images), (images.shape[2], images.shape[3])


def _apply(warp: Warp, images: Tensor, padding_mode: str, fill: float) -> Tensor:
    return warp.images(images, "bilinear", padding_mode, float(fill))


def shift(images: Tensor, x: Number, y: Number, padding_mode: str = "constant", fill: float = 0.0) -> Tensor:
    """Moves the content by x pixels to the right and y pixels down."""
    return _apply(_warp.shift(*_frame("shift", images), x, y), images, padding_mode, fill)


def rotate(images: Tensor, degrees: Number, padding_mode: str = "constant", fill: float = 0.0) -> Tensor:
    """Turns the content counter-clockwise about the center."""
    return _apply(_warp.rotate(*_frame("rotate", images), degrees), images, padding_mode, fill)


def flip(images: Tensor, horizontal: bool | Tensor = True, vertical: bool | Tensor = False) -> Tensor:
    """Mirrors left and right, or top and bottom, exactly; both may be bool tensors (N,)."""
    return _apply(_warp.flip(*_frame("flip", images), horizontal, vertical), images, "border", 0.0)


def crop(
    images: Tensor,
    top: Number,
    left: Number,
    size: Size,
    padding_mode: str = "constant",
    fill: float = 0.0,
) -> Tensor:
    """Takes the part of (height, width) pixels whose first one is at row ``top`` and column ``left``."""
    count, _ = _frame("crop", images)
    return _apply(_warp.crop(count, top, left, size), images, padding_mode, fill)


def scale(images: Tensor, factor: Number, padding_mode: str = "constant", fill: float = 0.0) -> Tensor:
    """Enlarges the content by a factor about the center; the images keep their size."""
    return _apply(_warp.scale(*_frame("scale", images), factor), images, padding_mode, fill)


def shear(
    images: Tensor, x: Number, y: Number = 0.0, padding_mode: str = "constant", fill: float = 0.0
) -> Tensor:
    """Slants the content about the center: columns by x degrees to the right, rows by y degrees down."""
    return _apply(_warp.shear(*_frame("shear", images), x, y), images, padding_mode, fill)


def elastic_distort(
    images: Tensor, control: Tensor, spacing: float, padding_mode: str = "constant", fill: float = 0.0
) -> Tensor:
    """Displaces pixels by a smooth field.

    Args:
        images: (N, C, H, W).
        control: (N, 2, rows, columns), floating: displacements along x and along y, in pixels, of points that
            lie ``spacing`` pixels apart, the first ones ``spacing`` outside of the image. There are
            ``floor((H - 1) / spacing) + 4`` rows, and likewise columns. Cubic B-splines spread them, scaled
            so that independent numbers of variance 1 give displacements of variance 1.
        spacing: in pixels.
        padding_mode: as for ``warp_image``.
        fill: as for ``warp_image``.

    Raises:
        ValueError: control of another shape.
    """
    count, size = _frame("elastic_distort", images)
    expected = (count, 2, *(_warp.spline_points(n, spacing) for n in size))
    if tuple(control.shape) != expected:
        raise ValueError(f"elastic_distort: control must be {expected}, got {tuple(control.shape)}")
    return _apply(_warp.elastic(size, control, spacing), images, padding_mode, fill)


def noise(images: Tensor, std: float, *, generator: Generator | None = None) -> Tensor:
    """Adds independent normal noise of a standard deviation; uint8 is rounded and kept in 0 to 255."""
    _require("noise", images)
    if images.is_floating_point():
        drawn = unspool.randn(tuple(images.shape), generator=generator, dtype=images.dtype)
        return images + std * drawn
    drawn = unspool.randn(tuple(images.shape), generator=generator)
    return (images.float() + std * drawn).round().clamp(0, 255).to(images.dtype)


def cutout(images: Tensor, top: Number, left: Number, size: Size, fill: float = 0.0) -> Tensor:
    """Covers the rectangle of (height, width) pixels whose first one is at (top, left) with a value."""
    _, (height, width) = _frame("cutout", images)
    rows, columns = unspool.arange(height), unspool.arange(width)

    def within(places: Tensor, first: Number, length: int) -> Tensor:
        start = first.reshape(-1, 1) if isinstance(first, Tensor) else first
        return ((places >= start) & (places < start + length)).reshape(-1, len(places))

    is_covered = within(rows, top, size[0])[:, None, :, None] & within(columns, left, size[1])[:, None, None]
    value = unspool.full((), _warp.fitting("cutout", images, fill), dtype=images.dtype)
    return unspool.where(is_covered, value, images)
