"""Transforms of images that are arrays (height, width) or (height, width, channel)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """From an array of bytes to a tensor (channel, height, width) of numbers from 0 to 1."""

    def __call__(self, image: Any) -> Any:
        array = np.asarray(image)
        array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(array)).float().div(255)


class ToPILImage:
    """From a tensor (channel, height, width) or an array to an array (height, width[, channel]) of bytes."""

    def __call__(self, image: Any) -> Any:
        if isinstance(image, torch.Tensor):
            image = image.mul(255).byte().permute(1, 2, 0).numpy()
        array = np.asarray(image)
        return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


class Normalize:
    """Subtract a mean and divide by a standard deviation, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).view(-1, 1, 1)

    def __call__(self, image: Any) -> Any:
        return image.sub(self.mean).div(self.std)


class Resize:
    """Take the nearest pixels, for another size."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def __call__(self, image: Any) -> Any:
        array = np.asarray(image)
        rows, columns = (np.arange(n) * old // n for n, old in zip(self.size, array.shape, strict=False))
        return array[rows][:, columns]


class CenterCrop:
    """The middle."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Any) -> Any:
        array = np.asarray(image)
        top, left = ((n - self.size) // 2 for n in array.shape[:2])
        return array[top : top + self.size, left : left + self.size]


class Pad:
    """A margin of zeros."""

    def __init__(self, padding: int) -> None:
        self.padding = padding

    def __call__(self, image: Any) -> Any:
        margin = (self.padding, self.padding)
        return np.pad(image, (margin, margin) + ((0, 0),) * (image.ndim - 2))


class RandomHorizontalFlip:
    """Mirrored or not."""

    def __call__(self, image: Any) -> Any:
        return image[:, ::-1] if random.random() < 0.5 else image


class RandomCrop:
    """A rectangle from somewhere, of the image with a margin of zeros."""

    def __init__(self, size: int | Sequence[int], padding: int = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.margin = Pad(padding)

    def __call__(self, image: Any) -> Any:
        image = self.margin(image)
        top, left = (random.randrange(n - m + 1) for n, m in zip(image.shape, self.size, strict=False))
        return image[top : top + self.size[0], left : left + self.size[1]]


class Lambda:
    """A function of the user's."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)
