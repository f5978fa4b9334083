"""What a transform is, and several of them in a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, overload

import unspool
from unspool._core import Generator, Tensor, float64
from unspool.augment._warp import Size, Warp


class Augmented(NamedTuple):
    """Images with what belongs to them; None for what was not given."""

    images: Tensor
    masks: Tensor | None
    keypoints: Tensor | None


class Transform:
    """A random change of a batch of images. Subclasses are geometric, or change pixels in their places.

    Attributes:
        p: the probability with which an image is changed.
    """

    def __init__(self, p: float = 1.0) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability, got {p}")
        self.p = p

    @overload
    def __call__(
        self,
        images: Tensor,
        masks: None = None,
        keypoints: None = None,
        *,
        generator: Generator | None = None,
    ) -> Tensor: ...

    @overload
    def __call__(
        self,
        images: Tensor,
        masks: Tensor,
        keypoints: Tensor | None = None,
        *,
        generator: Generator | None = None,
    ) -> Augmented: ...

    @overload
    def __call__(
        self, images: Tensor, masks: None = None, *, keypoints: Tensor, generator: Generator | None = None
    ) -> Augmented: ...

    def __call__(
        self,
        images: Tensor,
        masks: Tensor | None = None,
        keypoints: Tensor | None = None,
        *,
        generator: Generator | None = None,
    ) -> Tensor | Augmented:
        """Change a batch.

        Args:
            images: (N, C, H, W), or one image (C, H, W); uint8 or floating.
            masks: (N, H, W) or (N, C', H, W), without N for one image, of any dtype: go where the pixels go,
                by nearest neighbours.
            keypoints: (N, K, 2), without N for one image, floating: places (x, y) in pixels.
            generator: of the random numbers; the default one otherwise.

        Returns:
            The images alone, or where masks or key points were given, all three.

        Raises:
            TypeError: something that is no tensor, or has a dtype that does not fit.
            ValueError: shapes that do not go together.
        """
        return self._composed().run(images, masks, keypoints, generator)

    def _composed(self) -> Compose:
        return Compose([self])

    def _chosen(self, count: int, generator: Generator | None) -> Tensor | None:
        """Which images are changed; None for all."""
        if self.p == 1:
            return None
        return unspool.rand(count, generator=generator) < self.p


class Geometric(Transform):
    """A transform that moves pixels."""

    def draw(self, count: int, size: Size, generator: Generator | None) -> Warp:
        """Draw a warp for each of ``count`` images of a size, whatever ``p`` is."""
        raise NotImplementedError

    def warp(self, count: int, size: Size, generator: Generator | None) -> Warp:
        """Draw a warp for each image, of which those that ``p`` leaves out do nothing."""
        drawn = self.draw(count, size, generator)
        chosen = self._chosen(count, generator)
        return drawn if chosen is None else drawn.only(chosen)


class Pixelwise(Transform):
    """A transform that changes pixels in their places; masks and key points stay as they are."""

    def change(self, images: Tensor, generator: Generator | None) -> Tensor:
        """Change all of the images (N, C, H, W), whatever ``p`` is."""
        raise NotImplementedError

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        """Change the images that ``p`` chooses."""
        changed = self.change(images, generator)
        chosen = self._chosen(len(images), generator)
        return changed if chosen is None else unspool.where(chosen[:, None, None, None], changed, images)


class Compose(Transform):
    """Several transforms in a row. Geometric ones that follow each other are multiplied into one warp.

    Args:
        transforms: in the order in which they are done; may be ``Compose`` themselves, whose transforms are
            taken in their place.
        padding_mode: what lies beyond the edges of images and masks: "constant" (the fill value), "border"
            (the edge goes on) or "reflection".
        fill: value of pixels beyond the edges.
        mask_fill: the same for masks.

    Raises:
        TypeError: something that is no transform.
        ValueError: an unknown padding mode.

    Example::

        augment = Compose([Shift(2), Rotate(15), Scale(0.9, 1.1), ElasticDistort(1, 8), Noise(0.05)])
        images = augment(images)
    """

    def __init__(
        self,
        transforms: Iterable[Transform],
        *,
        padding_mode: str = "constant",
        fill: float = 0.0,
        mask_fill: float = 0.0,
    ) -> None:
        super().__init__()
        if padding_mode not in ("constant", "border", "reflection"):
            raise ValueError(
                f"Compose: padding_mode must be 'constant', 'border' or 'reflection', got {padding_mode!r}"
            )
        self.transforms: list[Geometric | Pixelwise] = []
        for each in transforms:
            if isinstance(each, Compose):
                self.transforms += each.transforms
            elif isinstance(each, (Geometric, Pixelwise)):
                self.transforms.append(each)
            else:
                raise TypeError(f"Compose: expected transforms, got {type(each).__name__}")
        self.padding_mode = padding_mode
        self.fill = fill
        self.mask_fill = mask_fill

    def _composed(self) -> Compose:
        return self

    def run(
        self,
        images: Tensor,
        masks: Tensor | None,
        keypoints: Tensor | None,
        generator: Generator | None,
    ) -> Tensor | Augmented:
        """Do what a call does."""
        batch = _Batch(images, masks, keypoints)
        warp: Warp | None = None
        for each in self.transforms:
            if isinstance(each, Geometric):
                step = each.warp(batch.count, batch.size if warp is None else warp.size, generator)
                warp = step if warp is None else warp.then(step)
                continue
            self._carry_out(warp, batch)
            warp = None
            batch.images = each.apply(batch.images, generator)
        self._carry_out(warp, batch)
        return batch.result(masks is not None or keypoints is not None)

    def _carry_out(self, warp: Warp | None, batch: _Batch) -> None:
        if warp is None:
            return
        batch.images = warp.images(batch.images, "bilinear", self.padding_mode, self.fill)
        if batch.masks is not None:
            batch.masks = warp.images(batch.masks, "nearest", self.padding_mode, self.mask_fill)
        if batch.keypoints is not None:
            batch.keypoints = warp.points(batch.keypoints)


class _Batch:
    """A checked batch: images and masks (N, C, H, W), key points (N, K, 2) in float64."""

    def __init__(self, images: Tensor, masks: Tensor | None, keypoints: Tensor | None) -> None:
        for name, value in (("images", images), ("masks", masks), ("keypoints", keypoints)):
            if not (isinstance(value, Tensor) or (name != "images" and value is None)):
                raise TypeError(f"augment: {name} must be a tensor, got {type(value).__name__}")
        if images.ndim not in (3, 4):
            raise ValueError(f"augment: images must be (N, C, H, W) or (C, H, W), got {tuple(images.shape)}")
        if not (images.is_floating_point() or images.dtype == unspool.uint8):
            raise TypeError(
                f"augment: images must be uint8 or floating, got {images.dtype}; convert them first"
            )
        self._is_single = images.ndim == 3
        self.images = images.unsqueeze(0) if self._is_single else images
        self.masks = self._checked_masks(masks)
        self.keypoints = self._checked_points(keypoints)

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def size(self) -> Size:
        return self.images.shape[2], self.images.shape[3]

    def _checked_masks(self, masks: Tensor | None) -> Tensor | None:
        if masks is None:
            return None
        whole = masks.unsqueeze(0) if self._is_single else masks
        self._is_flat = whole.ndim == 3
        whole = whole.unsqueeze(1) if self._is_flat else whole
        if whole.ndim != 4 or len(whole) != self.count or tuple(whole.shape[2:]) != self.size:
            raise ValueError(
                f"augment: masks {tuple(masks.shape)} do not belong to images {tuple(self.images.shape)}; "
                "they must be (N, H, W) or (N, C, H, W)"
            )
        return whole

    def _checked_points(self, keypoints: Tensor | None) -> Tensor | None:
        if keypoints is None:
            return None
        if not keypoints.is_floating_point():
            raise TypeError(f"augment: keypoints must be floating, got {keypoints.dtype}")
        self._points_dtype = keypoints.dtype
        whole = keypoints.unsqueeze(0) if self._is_single else keypoints
        if whole.ndim != 3 or len(whole) != self.count or whole.shape[2] != 2:
            raise ValueError(
                f"augment: keypoints must be (N, K, 2) with N = {self.count}, got {tuple(keypoints.shape)}"
            )
        return whole.to(float64)

    def result(self, is_all_asked_for: bool) -> Tensor | Augmented:
        images, masks, keypoints = self.images, self.masks, self.keypoints
        if masks is not None and self._is_flat:
            masks = masks.squeeze(1)
        if keypoints is not None:
            keypoints = keypoints.to(self._points_dtype)
        if self._is_single:
            images = images.squeeze(0)
            masks = None if masks is None else masks.squeeze(0)
            keypoints = None if keypoints is None else keypoints.squeeze(0)
        return Augmented(images, masks, keypoints) if is_all_asked_for else images
