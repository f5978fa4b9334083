"""Pooling, padding, resizing and sampling of images: forward, and forward with backward."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

import harness

LENET, LENET_SECOND, MIDDLE, STEM = (64, 6, 24, 24), (64, 16, 8, 8), (32, 64, 32, 32), (8, 64, 56, 56)

# Name, shape of x, expression.
OPERATIONS = (
    ("max_pool2d 2x2, LeNet's first", LENET, "F.max_pool2d(x, 2)"),
    ("max_pool2d 2x2, LeNet's second", LENET_SECOND, "F.max_pool2d(x, 2)"),
    ("max_pool2d 2x2", MIDDLE, "F.max_pool2d(x, 2)"),
    ("max_pool2d 3x3, stride 2", STEM, "F.max_pool2d(x, 3, 2, 1)"),
    ("max_pool2d 3x3, stride 1", MIDDLE, "F.max_pool2d(x, 3, 1, 1)"),
    ("avg_pool2d 2x2", MIDDLE, "F.avg_pool2d(x, 2)"),
    ("avg_pool2d 3x3, stride 1", MIDDLE, "F.avg_pool2d(x, 3, 1, 1)"),
    ("adaptive_avg_pool2d to 1x1", LENET_SECOND, "F.adaptive_avg_pool2d(x, 1)"),
    ("adaptive_avg_pool2d to 7x7", STEM, "F.adaptive_avg_pool2d(x, 7)"),
    ("pad constant", MIDDLE, "F.pad(x, (1, 1, 1, 1))"),
    ("pad reflect", MIDDLE, "F.pad(x, (1, 1, 1, 1), 'reflect')"),
    ("pad replicate", MIDDLE, "F.pad(x, (1, 1, 1, 1), 'replicate')"),
    ("pad circular", MIDDLE, "F.pad(x, (1, 1, 1, 1), 'circular')"),
    ("interpolate nearest x2", LENET, "F.interpolate(x, scale_factor=2)"),
    ("interpolate bilinear x2", LENET, "F.interpolate(x, scale_factor=2, mode='bilinear')"),
    ("interpolate bicubic x2", LENET, "F.interpolate(x, scale_factor=2, mode='bicubic')"),
    ("interpolate bilinear / 2", STEM, "F.interpolate(x, size=28, mode='bilinear')"),
    ("pixel_shuffle 2", LENET_SECOND, "F.pixel_shuffle(x, 2)"),
    ("grid_sample bilinear", LENET, "F.grid_sample(x, grid, align_corners=False)"),
)


def names(lib: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = lib.from_numpy(rng.normal(size=shape).astype(np.float32)).requires_grad_()
    grid = rng.uniform(-1, 1, (shape[0], *shape[2:], 2)).astype(np.float32)
    functional = importlib.import_module(lib.__name__ + ".nn.functional")
    return {"lib": lib, "F": functional, "x": x, "grid": lib.from_numpy(grid)}


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    for name, shape, code in OPERATIONS:
        pair = [names(lib, shape) for lib in libraries]
        for each in pair:
            size = tuple(eval(code, each).shape)
            each["g"] = each["lib"].ones(size)
        suite.duel(name, code, *pair)
        suite.duel(f"{name}, and backward", f"lib.autograd.grad({code}, x, g)", *pair)


if __name__ == "__main__":
    harness.main("spatial", fill)
