"""Convolutions, forward and forward + backward, in the shapes of small and middling networks."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

import harness


@dataclasses.dataclass(frozen=True)
class Layer:
    """A square convolution: batch, channels, size of the image, filters, size of the kernel."""

    name: str
    batch: int
    channels: int
    size: int
    filters: int
    kernel: int
    padding: int = 0
    stride: int = 1
    groups: int = 1
    transposed: bool = False

    @property
    def out(self) -> int:
        """Size of the result."""
        if self.transposed:
            return (self.size - 1) * self.stride - 2 * self.padding + self.kernel
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def flops(self) -> float:
        """Of the forward pass, as if no tap met the padding."""
        places = min(self.out, self.size) if self.transposed else self.out
        return 2.0 * self.batch * self.filters * places**2 * self.channels // self.groups * self.kernel**2

    @property
    def bytes_moved(self) -> float:
        """By the forward pass, each operand once."""
        ours, theirs = self.channels * self.size**2, self.filters * self.out**2
        return 4.0 * (self.batch * (ours + theirs) + self.filters * self.channels * self.kernel**2)

    def __str__(self) -> str:
        arrow = f"{self.batch}x{self.channels}x{self.size}x{self.size} to {self.filters}"
        return f"{self.name}, {arrow}, {self.kernel}x{self.kernel}"


LAYERS = (
    Layer("LeNet 1", 64, 1, 28, 6, 5),
    Layer("LeNet 1", 64, 1, 28, 6, 5, padding=2),
    Layer("LeNet 2", 64, 6, 12, 16, 5),
    Layer("LeNet 2", 64, 6, 14, 16, 5),
    Layer("ResNet 1", 32, 16, 32, 16, 3, padding=1),
    Layer("ResNet 2", 32, 32, 16, 32, 3, padding=1),
    Layer("ResNet 3", 32, 64, 8, 64, 3, padding=1),
    Layer("ResNet 2, stride 2", 32, 16, 32, 32, 3, padding=1, stride=2),
    Layer("Pointwise", 32, 64, 16, 128, 1),
    Layer("Depthwise", 32, 64, 16, 64, 3, padding=1, groups=64),
    Layer("Narrow", 32, 128, 4, 128, 3, padding=1),
    Layer("Transposed", 32, 64, 8, 32, 4, padding=1, stride=2, transposed=True),
)


def names(lib: Any, layer: Layer) -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return lib.from_numpy(rng.normal(size=shape).astype(np.float32))

    first, second = layer.filters, layer.channels // layer.groups
    if layer.transposed:
        first, second = second, first
    scale = 1 / math.sqrt(layer.channels * layer.kernel**2)
    function = "conv_transpose2d" if layer.transposed else "conv2d"
    options = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    return {
        "convolve": getattr(lib.nn.functional, function),
        "x": draw(layer.batch, layer.channels, layer.size, layer.size),
        "w": (draw(first, second, layer.kernel, layer.kernel) * scale).requires_grad_(),
        "b": draw(layer.filters).requires_grad_(),
        "g": draw(layer.batch, layer.filters, layer.out, layer.out),
        "options": options,
    }


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    rates = harness.measure_rates(libraries, suite.options.quick)
    for layer in LAYERS:
        pair = [names(lib, layer) for lib in libraries]
        one = rates.floor(layer.flops, layer.bytes_moved)
        suite.duel(f"{layer}, forward", "convolve(x, w, b, **options)", *pair, floor=one)
        backward = "w.grad = b.grad = None; convolve(x, w, b, **options).backward(g)"
        suite.duel(f"{layer}, weights only", backward, *pair, floor=2 * one)
        for each in pair:
            each["x"].requires_grad_()
        backward = "x.grad = w.grad = b.grad = None; convolve(x, w, b, **options).backward(g)"
        suite.duel(f"{layer}, forward + backward", backward, *pair, floor=3 * one)


if __name__ == "__main__":
    harness.main("convolution", fill)
