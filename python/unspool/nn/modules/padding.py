"""Padding layers: what surrounds the last 1, 2 or 3 dimensions of (N, C, ...) or (C, ...) inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """What all padding layers share.

    Args:
        padding: one number for every side, or (left, right, top, bottom, front, back), as many pairs as the
            layer has dimensions.
    """

    _mode: ClassVar[str]
    _ndim: ClassVar[int]
    padding: tuple[int, ...]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = tuple(padding) if isinstance(padding, Iterable) else (padding,) * (2 * self._ndim)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """A border of one value; a negative number in ``padding`` cuts elements off.

    Args:
        padding: see the class above.
        value: of the border.
    """

    _mode = "constant"
    value: float

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Puts ``value`` around the last dimension of (N, C, W) or (C, W)."""

    _ndim = 1


class ConstantPad2d(_ConstantPad):
    """Puts ``value`` around the last two dimensions of (N, C, H, W) or (C, H, W)."""

    _ndim = 2


class ConstantPad3d(_ConstantPad):
    """Puts ``value`` around the last three dimensions of (N, C, D, H, W) or (C, D, H, W)."""

    _ndim = 3


class _ZeroPad(_ConstantPad):
    """A border of zeros."""

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Puts zeros around the last dimension of (N, C, W) or (C, W)."""

    _ndim = 1


class ZeroPad2d(_ZeroPad):
    """Puts zeros around the last two dimensions of (N, C, H, W) or (C, H, W)."""

    _ndim = 2


class ZeroPad3d(_ZeroPad):
    """Puts zeros around the last three dimensions of (N, C, D, H, W) or (C, D, H, W)."""

    _ndim = 3


class ReflectionPad1d(_Pad):
    """Mirrors the last dimension of (N, C, W) or (C, W) at its edges, which are not repeated."""

    _mode, _ndim = "reflect", 1


class ReflectionPad2d(_Pad):
    """Mirrors the last two dimensions of (N, C, H, W) or (C, H, W) at their edges."""

    _mode, _ndim = "reflect", 2


class ReflectionPad3d(_Pad):
    """Mirrors the last three dimensions of (N, C, D, H, W) or (C, D, H, W) at their edges."""

    _mode, _ndim = "reflect", 3


class ReplicationPad1d(_Pad):
    """Repeats the edges of the last dimension of (N, C, W) or (C, W)."""

    _mode, _ndim = "replicate", 1


class ReplicationPad2d(_Pad):
    """Repeats the edges of the last two dimensions of (N, C, H, W) or (C, H, W)."""

    _mode, _ndim = "replicate", 2


class ReplicationPad3d(_Pad):
    """Repeats the edges of the last three dimensions of (N, C, D, H, W) or (C, D, H, W)."""

    _mode, _ndim = "replicate", 3


class _CircularPad(_Pad):
    """A border that continues the input from its other end.

    Raises:
        ValueError: an input of another number of dimensions.
    """

    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self._ndim + 1, self._ndim + 2):
            raise ValueError(
                f"expected {self._ndim + 1}D or {self._ndim + 2}D input (got {input.ndim}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """Continues the last dimension of (N, C, W) or (C, W) from its other end."""

    _ndim = 1


class CircularPad2d(_CircularPad):
    """Continues the last two dimensions of (N, C, H, W) or (C, H, W) from their other ends."""

    _ndim = 2


class CircularPad3d(_CircularPad):
    """Continues the last three dimensions of (N, C, D, H, W) or (C, D, H, W) from their other ends."""

    _ndim = 3
