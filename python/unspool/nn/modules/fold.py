"""Sliding windows as layers: Unfold and Fold."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from collections.abc import Sequence

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]

_Two = int | Sequence[int]


class Unfold(Module):
    """The windows of an image as columns.

    Args:
        kernel_size: of the window, one number or (height, width), as the arguments below.
        dilation: from tap to tap.
        padding: zeros on both sides.
        stride: from window to window.

    Shapes: input (N, C, H, W) or (C, H, W), output (N, C * taps, windows) or (C * taps, windows).
    """

    def __init__(self, kernel_size: _Two, dilation: _Two = 1, padding: _Two = 0, stride: _Two = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)
        return result

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Fold(Module):
    """The sum of windows into an image: the transpose of Unfold.

    Args:
        output_size: of the image, one number or (height, width), as the arguments below.
        kernel_size: of the window.
        dilation: from tap to tap.
        padding: cut off on both sides.
        stride: from window to window.

    Shapes: input (N, C * taps, windows) or (C * taps, windows), output (N, C, H, W) or (C, H, W).
    """

    def __init__(
        self,
        output_size: _Two,
        kernel_size: _Two,
        dilation: _Two = 1,
        padding: _Two = 0,
        stride: _Two = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )
        return result

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
