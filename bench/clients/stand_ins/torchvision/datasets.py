"""Images that need no download: scanned digits in the form of MNIST, and noise in that of CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class _Images(torch.utils.data.Dataset):
    def __init__(self, images: Any, labels: Any, transform: Callable[[Any], Any] | None) -> None:
        self.images, self.labels, self.transform = images, labels, transform
        self.data = self.train_data = self.test_data = torch.from_numpy(images)
        self.targets = self.train_labels = self.test_labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = self.images[index]
        return (self.transform(image) if self.transform else image), int(self.labels[index])


class MNIST(_Images):
    """Handwritten digits of 28 x 28 pixels: those of scikit-learn, enlarged three times, in five places."""

    def __init__(
        self,
        root: str,
        train: bool = True,
        transform: Any = None,
        target_transform: Any = None,
        download: bool = False,
    ) -> None:
        del root, train, target_transform, download
        from sklearn.datasets import load_digits

        digits, labels = load_digits(return_X_y=True)
        small = (digits.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        large = np.pad(small.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
        images = np.concatenate([np.roll(large, shift, 2) for shift in (0, 1, -1, 2, -2)])
        super().__init__(images, np.tile(labels, 5).astype(np.int64), transform)


FashionMNIST = MNIST


class CIFAR10(_Images):
    """5,000 images of 32 x 32 pixels of noise, with random labels."""

    def __init__(self, root: str, train: bool = True, transform: Any = None, download: bool = False) -> None:
        del root, train, download
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (5000, 32, 32, 3)).astype(np.uint8)
        super().__init__(images, generator.integers(0, 10, 5000), transform)
        self.data = self.train_data = self.test_data = self.images  # an array, unlike MNIST's


class CIFAR100(CIFAR10):
    """The images of CIFAR10, under the name of its kin that nobody reads."""
