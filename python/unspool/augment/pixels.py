"""Transforms that change pixels in their places."""

from __future__ import annotations

import unspool
from unspool._core import Generator, Tensor
from unspool.augment import functional
from unspool.augment.compose import Pixelwise
from unspool.augment.geometric import pair


class Noise(Pixelwise):
    """Adds normal noise, independent for each pixel and channel.

    Args:
        std: standard deviation, in the units of the images (for uint8: of 0 to 255).
        p: probability of a change.
    """

    def __init__(self, std: float, *, p: float = 1.0) -> None:
        super().__init__(p)
        if not std >= 0:
            raise ValueError(f"Noise: std must not be negative, got {std}")
        self.std = std

    def change(self, images: Tensor, generator: Generator | None) -> Tensor:  # noqa: D102
        return functional.noise(images, self.std, generator=generator)


class Cutout(Pixelwise):
    """Covers rectangles with one value, centered at random pixels and cut off at the edges (DeVries and
    Taylor 2017).

    Args:
        size: (height, width) of a rectangle in pixels, or a number for both.
        count: how many rectangles for each image.
        fill: the value.
        p: probability of a change.
    """  # noqa: D205

    def __init__(
        self, size: int | tuple[int, int], *, count: int = 1, fill: float = 0.0, p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.size = pair("Cutout", "size", size)
        if count < 1:
            raise ValueError(f"Cutout: count must be at least 1, got {count}")
        self.count = count
        self.fill = fill

    def change(self, images: Tensor, generator: Generator | None) -> Tensor:  # noqa: D102
        height, width = images.shape[2:]
        for _ in range(self.count):
            y = unspool.randint(0, height, (len(images),), generator=generator) - self.size[0] // 2
            x = unspool.randint(0, width, (len(images),), generator=generator) - self.size[1] // 2
            images = functional.cutout(images, y, x, self.size, self.fill)
        return images
