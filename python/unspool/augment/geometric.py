"""Transforms that move pixels. Each draws a few numbers per image; ``_warp`` makes a map of them."""

from __future__ import annotations

import math

import unspool
from unspool._core import Generator, Tensor, float64
from unspool.augment import _warp
from unspool.augment._warp import Size, Warp
from unspool.augment.compose import Geometric


def _range(name: str, argument: str, value: float | tuple[float, float]) -> tuple[float, float]:
    """A range: (low, high) as given, or -value to value."""
    try:
        low, high = map(float, value if isinstance(value, tuple) else (-value, value))
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {argument} must be a number or a pair of numbers, got {value!r}") from None
    if not (low <= high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name}: {argument} must be a range from low to high, got {value}")
    return low, high


def _uniform(bounds: tuple[float, float], count: int, generator: Generator | None) -> Tensor:
    low, high = bounds
    return low + (high - low) * unspool.rand(count, generator=generator, dtype=float64)


def pair(name: str, argument: str, value: int | tuple[int, int]) -> Size:
    """A height and width of at least 1, or one number for both."""
    height, width = value if isinstance(value, tuple) else (value, value)
    if height < 1 or width < 1:
        raise ValueError(f"{name}: {argument} must be positive, got {value}")
    return int(height), int(width)


class Shift(Geometric):
    """Moves images by up to some pixels.

    Args:
        x: range of the shift to the right: (low, high), or a number for -x to x.
        y: the same downwards; as x when left out.
        whole: move by whole pixels, which interpolates nothing.
        p: probability of a change.
    """

    def __init__(
        self,
        x: float | tuple[float, float],
        y: float | tuple[float, float] | None = None,
        *,
        whole: bool = False,
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        self.x = _range("Shift", "x", x)
        self.y = self.x if y is None else _range("Shift", "y", y)
        self.whole = whole

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: D102
        x, y = _uniform(self.x, count, generator), _uniform(self.y, count, generator)
        if self.whole:
            x, y = x.round(), y.round()
        return _warp.shift(count, size, x, y)


class Rotate(Geometric):
    """Turns images about their center.

    Args:
        degrees: range of the angle, counter-clockwise: (low, high), or a number for -degrees to degrees.
        p: probability of a change.
    """

    def __init__(self, degrees: float | tuple[float, float], *, p: float = 1.0) -> None:
        super().__init__(p)
        self.degrees = _range("Rotate", "degrees", degrees)

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: D102
        return _warp.rotate(count, size, _uniform(self.degrees, count, generator))


class Flip(Geometric):
    """Mirrors images, exactly.

    Args:
        vertical: exchange top and bottom instead of left and right.
        p: probability of a change.
    """

    def __init__(self, *, vertical: bool = False, p: float = 0.5) -> None:
        super().__init__(p)
        self.vertical = vertical

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: ARG002, D102
        return _warp.flip(count, size, not self.vertical, self.vertical)


class Crop(Geometric):
    """Takes a part of the images, at a random place in whole pixels.

    Args:
        size: (height, width) of the part, or a number for both.
        padding: how far the part may reach beyond the edges, in pixels.

    Raises:
        ValueError: when called, if images with their padding are smaller than the part.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        super().__init__()
        self.size = pair("Crop", "size", size)
        if padding < 0:
            raise ValueError(f"Crop: padding must not be negative, got {padding}")
        self.padding = padding

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: D102
        places = []
        for inner, outer in zip(self.size, size, strict=True):
            last = outer + self.padding - inner
            if last < -self.padding:
                raise ValueError(
                    f"Crop: a part of {self.size} does not fit into images of {size} "
                    f"with a padding of {self.padding}"
                )
            places.append(unspool.randint(-self.padding, last + 1, (count,), generator=generator))
        return _warp.crop(count, places[0], places[1], self.size)


class Scale(Geometric):
    """Enlarges or shrinks the content of images about their center; the images keep their size.

    Args:
        low: smallest factor, above 0.
        high: largest factor; factors are drawn evenly between the logarithms.
        p: probability of a change.
    """

    def __init__(self, low: float, high: float, *, p: float = 1.0) -> None:
        super().__init__(p)
        if not 0 < low <= high:
            raise ValueError(f"Scale: factors must be a range of positive numbers, got {low} to {high}")
        self.low, self.high = float(low), float(high)

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: D102
        share = unspool.rand(count, generator=generator, dtype=float64)
        return _warp.scale(count, size, self.low * (self.high / self.low) ** share)


class Shear(Geometric):
    """Slants images about their center.

    Args:
        x: range, in degrees, of the angle by which columns lean to the right going down: (low, high), or a
            number for -x to x. Below 90, and with y together below 90.
        y: the same for rows, which lean down going to the right.
        p: probability of a change.
    """

    def __init__(
        self, x: float | tuple[float, float], y: float | tuple[float, float] = 0.0, *, p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.x, self.y = _range("Shear", "x", x), _range("Shear", "y", y)
        steepest = [max(abs(math.radians(angle)) for angle in bounds) for bounds in (self.x, self.y)]
        if max(steepest) >= math.pi / 2 or math.tan(steepest[0]) * math.tan(steepest[1]) >= 1:
            raise ValueError(
                f"Shear: angles {x} and {y} are too steep: x and y together must stay below 90 degrees"
            )

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: D102
        return _warp.shear(
            count, size, _uniform(self.x, count, generator), _uniform(self.y, count, generator)
        )


class ElasticDistort(Geometric):
    """Displaces pixels by a smooth random field, as if the image were of rubber (Simard et al. 2003).

    Normal numbers at control points are spread by cubic B-splines, so that displacements have the same
    standard deviation everywhere. Keep alpha below a quarter of the spacing, or the image may fold.

    Args:
        alpha: standard deviation of the displacement along each axis, in pixels.
        spacing: distance of control points in pixels: how far the field stays alike.
        p: probability of a change.
    """

    def __init__(self, alpha: float = 1.0, spacing: float = 8.0, *, p: float = 1.0) -> None:
        super().__init__(p)
        if not alpha >= 0:
            raise ValueError(f"ElasticDistort: alpha must not be negative, got {alpha}")
        if not spacing >= 1:
            raise ValueError(f"ElasticDistort: spacing must be at least one pixel, got {spacing}")
        self.alpha, self.spacing = float(alpha), float(spacing)

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:  # noqa: D102
        rows, columns = (_warp.spline_points(n, self.spacing) for n in size)
        control = self.alpha * unspool.randn(count, 2, rows, columns, generator=generator, dtype=float64)
        return _warp.elastic(size, control, self.spacing)
