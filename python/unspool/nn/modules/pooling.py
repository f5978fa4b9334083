"""Pooling layers: maxima and means over windows of the last dimensions of (N, C, ...) or (C, ...)."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Ints = int | Sequence[int]
Sizes = int | None | Sequence[int | None]


class _MaxPool(Module):
    """What the layers share that take maxima over sliding windows.

    Args:
        kernel_size: of the window.
        stride: of the window; ``kernel_size`` when None.
        padding: how far windows reach beyond the edges, where nothing counts; at most half of the window.
        dilation: distance between the elements of a window.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).
        ceil_mode: also take windows that reach beyond the padded right edge.
    """

    _function: ClassVar[str]

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool1d(_MaxPool):
    """Maxima over windows that slide over the last dimension."""

    _function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """Maxima over windows that slide over the last two dimensions."""

    _function = "max_pool2d"


class MaxPool3d(_MaxPool):
    """Maxima over windows that slide over the last three dimensions."""

    _function = "max_pool3d"


def _each(value: Ints, ndim: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, Iterable) else (value,) * ndim


class _MaxUnpool(Module):
    """What the layers share that undo max pooling.

    Args:
        kernel_size: of the pooling.
        stride: of the pooling; ``kernel_size`` when None.
        padding: of the pooling.
    """

    _function: ClassVar[str]
    _ndim: ClassVar[int]

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        self.kernel_size = _each(kernel_size, self._ndim)
        self.stride = _each(stride if stride is not None else kernel_size, self._ndim)
        self.padding = _each(padding, self._ndim)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Any:
        unpool = getattr(F, self._function)
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of ``MaxPool1d`` back to their positions, with zeros elsewhere."""

    _function = "max_unpool1d"
    _ndim = 1


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of ``MaxPool2d`` back to their positions, with zeros elsewhere."""

    _function = "max_unpool2d"
    _ndim = 2


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of ``MaxPool3d`` back to their positions, with zeros elsewhere."""

    _function = "max_unpool3d"
    _ndim = 3


class AvgPool1d(Module):
    """Means over windows that slide over the last dimension.

    Args:
        kernel_size: of the window.
        stride: of the window; ``kernel_size`` when None.
        padding: zeros at both ends; at most half of the window.
        ceil_mode: also take windows that reach beyond the padded right edge.
        count_include_pad: whether padding counts as elements of a window.
    """

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _each(kernel_size, 1)
        self.stride = _each(stride if stride is not None else kernel_size, 1)
        self.padding = _each(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """What AvgPool2d and AvgPool3d share.

    Args:
        kernel_size: of the window.
        stride: of the window; ``kernel_size`` when None.
        padding: zeros around the input; at most half of the window.
        ceil_mode: also take windows that reach beyond the padded right edge.
        count_include_pad: whether padding counts as elements of a window.
        divisor_override: divide sums by this instead of the size of the window.
    """

    _function: ClassVar[str]

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_AvgPool):
    """Means over windows that slide over the last two dimensions."""

    _function = "avg_pool2d"


class AvgPool3d(_AvgPool):
    """Means over windows that slide over the last three dimensions."""

    _function = "avg_pool3d"


class _AdaptivePool(Module):
    """What the layers share whose windows divide the input into a given number of parts.

    Args:
        output_size: one number for all dimensions or one for each; None keeps a size.
    """

    _function: ClassVar[str]

    def __init__(self, output_size: Sizes) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._function)(input, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    """The same for maxima.

    Args:
        output_size: one number for all dimensions or one for each; None keeps a size.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).
    """

    def __init__(self, output_size: Sizes, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._function)(input, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means over windows that divide the last dimension into ``output_size`` parts."""

    _function = "adaptive_avg_pool1d"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over windows that divide the last dimension into ``output_size`` parts."""

    _function = "adaptive_max_pool1d"


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means over windows that divide the last two dimensions into ``output_size`` parts."""

    _function = "adaptive_avg_pool2d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over windows that divide the last two dimensions into ``output_size`` parts."""

    _function = "adaptive_max_pool2d"


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means over windows that divide the last three dimensions into ``output_size`` parts."""

    _function = "adaptive_avg_pool3d"


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima over windows that divide the last three dimensions into ``output_size`` parts."""

    _function = "adaptive_max_pool3d"


class _LPPool(Module):
    """What the layers share that take power means over sliding windows, times the size of the window.

    Args:
        norm_type: the power p; 1 gives sums.
        kernel_size: of the window.
        stride: of the window; ``kernel_size`` when None.
        ceil_mode: also take windows that reach beyond the right edge.
    """

    _function: ClassVar[str]

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )

    def forward(self, input: Tensor) -> Any:
        pool = getattr(F, self._function)
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPool):
    """(Σ x^p)^(1/p) over windows that slide over the last dimension."""

    _function = "lp_pool1d"


class LPPool2d(_LPPool):
    """(Σ x^p)^(1/p) over windows that slide over the last two dimensions."""

    _function = "lp_pool2d"


class LPPool3d(_LPPool):
    """(Σ x^p)^(1/p) over windows that slide over the last three dimensions."""

    _function = "lp_pool3d"


class _FractionalMaxPool(Module):
    """What the layers share that take maxima over windows at pseudo-random places (Graham 2014).

    Args:
        kernel_size: of the windows.
        output_size: how many windows in each dimension.
        output_ratio: the same as a fraction of the input's size, between 0 and 1; exactly one of both.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).
        _random_samples: numbers in [0, 1) that decide about the places, instead of random ones.

    Raises:
        ValueError: none or both of size and ratio, or a ratio outside of (0, 1).
    """

    _function: ClassVar[str]
    _ndim: ClassVar[int]

    def __init__(
        self,
        kernel_size: Ints,
        output_size: Ints | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError(f"{name}: only one of output_size and output_ratio may be specified")
        self.kernel_size = _each(kernel_size, self._ndim)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _each(output_size, self._ndim)
        self.output_ratio: tuple[float, ...] | None = None
        if output_ratio is not None:
            ratios = output_ratio if isinstance(output_ratio, Sequence) else (output_ratio,) * self._ndim
            if not all(0 < ratio < 1 for ratio in ratios):
                raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
            self.output_ratio = tuple(ratios)

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima over windows at pseudo-random places of the last two dimensions."""

    _function = "fractional_max_pool2d"
    _ndim = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima over windows at pseudo-random places of the last three dimensions."""

    _function = "fractional_max_pool3d"
    _ndim = 3
