"""Blocks that networks are stacked from: residual ones, and bottlenecks."""

from __future__ import annotations

from unspool._core import Tensor
from unspool.nn.modules import BatchNorm2d, Conv2d, Linear, Module, ReLU, Sequential

__all__ = ["Bottleneck", "Bottleneck2d", "Residual"]


class Residual(Module):
    """``shortcut(x) + branch(x)`` (He et al. 2016), where the shortcut is x itself unless another is given.

    Args:
        branch: the layers beside the shortcut.
        shortcut: a module for x, where shapes differ.

    Shape: x of any shape; both sides must give tensors of one shape.

    Raises:
        ValueError: in the forward pass, when the two sides give different shapes.
    """

    def __init__(self, branch: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Add both sides."""
        straight = x if self.shortcut is None else self.shortcut(x)
        change = self.branch(x)
        if change.shape != straight.shape:
            raise ValueError(
                f"{type(self).__name__}: the branch gives {tuple(change.shape)}, the shortcut "
                f"{tuple(straight.shape)}; give a shortcut that leads to the shape of the branch"
            )
        total: Tensor = straight + change
        return total


class Bottleneck(Residual):
    """A residual block of two linear layers with a narrow middle: ``x + W2 relu(W1 x + b1) + b2``.

    It has ``2 features width + features + width`` parameters, where a full layer has ``features^2 +
    features``. The second layer starts at zero, so that a new block is the identity.

    Args:
        features: of x and of the result.
        width: of the middle.
        activation: in the middle; ReLU if left out.

    Shape: (..., features) to the same.

    Raises:
        ValueError: a width below 1.
    """

    def __init__(self, features: int, width: int, activation: Module | None = None) -> None:
        if width < 1:
            raise ValueError(f"Bottleneck: width must be at least 1, got {width}")
        widen = Linear(width, features)
        super().__init__(Sequential(Linear(features, width), activation or ReLU(), widen))
        for parameter in widen.parameters():
            parameter.data.zero_()


class Bottleneck2d(Module):
    """The bottleneck of residual networks (He et al. 2016, figure 5): 1 x 1 to ``width`` channels, 3 x 3, 1 x
    1 to ``out_channels``, each with batch normalization; the shortcut is added before the last ReLU.

    Args:
        in_channels: of the images.
        width: channels of the middle.
        out_channels: of the result; as in_channels if left out.
        stride: of the 3 x 3 convolution, and of the shortcut, which is a 1 x 1 convolution with batch
            normalization wherever the shape changes.

    Shape: (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Raises:
        ValueError: a number below 1.
    """  # noqa: D205

    def __init__(
        self, in_channels: int, width: int, out_channels: int | None = None, stride: int = 1
    ) -> None:
        super().__init__()
        out = in_channels if out_channels is None else out_channels
        if min(in_channels, width, out, stride) < 1:
            raise ValueError(
                f"Bottleneck2d: channels, width and stride must be at least 1, got {in_channels}, {width}, "
                f"{out} and {stride}"
            )
        branch = Sequential(
            Conv2d(in_channels, width, 1, bias=False),
            BatchNorm2d(width),
            ReLU(),
            Conv2d(width, width, 3, stride=stride, padding=1, bias=False),
            BatchNorm2d(width),
            ReLU(),
            Conv2d(width, out, 1, bias=False),
            BatchNorm2d(out),
        )
        shortcut = None
        if stride != 1 or out != in_channels:
            shortcut = Sequential(Conv2d(in_channels, out, 1, stride=stride, bias=False), BatchNorm2d(out))
        self.residual = Residual(branch, shortcut)
        self.activation = ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Run the block."""
        return self.activation(self.residual(x))  # type: ignore[no-any-return]
