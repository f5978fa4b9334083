"""Convolutions and transposed convolutions over one to three dimensions."""

# ruff: noqa: D101 (the layers have the docstring of their base, which says what forward takes)

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import unspool
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn import init
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _spread(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """One number for every dimension, or the numbers given."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * count


class _ConvNd(Module):
    """What all convolutions share: arguments, parameters, their initial values and representation.

    Both parameters start from U(-k, k) with k = 1 / sqrt(weight.shape[1] * taps).
    """

    _ndim: ClassVar[int]
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        padding: str | int | Sequence[int],
        dilation: int | Sequence[int],
        transposed: bool,
        output_padding: int | Sequence[int],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {groups}")
        if in_channels % groups != 0:
            raise ValueError(f"in_channels must be divisible by groups, got {in_channels} and {groups}")
        if out_channels % groups != 0:
            raise ValueError(f"out_channels must be divisible by groups, got {out_channels} and {groups}")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {_PADDING_MODES}, got {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _spread(kernel_size, self._ndim)
        self.stride = _spread(stride, self._ndim)
        self.padding = padding if isinstance(padding, str) else _spread(padding, self._ndim)
        self.dilation = _spread(dilation, self._ndim)
        self.transposed = transposed
        self.output_padding = _spread(output_padding, self._ndim)
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._borders()
        read, written = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(
            unspool.empty((read, written // groups, *self.kernel_size), device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(unspool.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _borders(self) -> list[int]:
        """The padding as ``nn.functional.pad`` takes it: from the last dimension on, before and after."""
        if not isinstance(self.padding, str):
            return [size for size in reversed(self.padding) for _ in range(2)]
        if self.padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'valid', 'same' or numbers, got {self.padding!r}")
        if self.padding == "valid":
            return [0] * (2 * self._ndim)
        if any(step != 1 for step in self.stride):
            raise ValueError(f"padding='same' is not supported for strided convolutions, got {self.stride}")
        borders = []
        for step, size in zip(reversed(self.dilation), reversed(self.kernel_size), strict=True):
            reach = step * (size - 1)
            borders += [reach // 2, reach - reach // 2]
        return borders

    def reset_parameters(self) -> None:
        """Draws new initial values: He-uniform with a = sqrt(5), which is U(-k, k) of the class docstring."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}"]
        parts += [f"kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * len(self.kernel_size):
            parts += [f"padding={self.padding}"]
        if self.dilation != (1,) * len(self.kernel_size):
            parts += [f"dilation={self.dilation}"]
        if self.output_padding != (0,) * len(self.kernel_size):
            parts += [f"output_padding={self.output_padding}"]
        if self.groups != 1:
            parts += [f"groups={self.groups}"]
        if self.bias is None:
            parts += ["bias=False"]
        if self.padding_mode != "zeros":
            parts += [f"padding_mode={self.padding_mode}"]
        return ", ".join(parts)


class _Conv(_ConvNd):
    """A convolution (cross-correlation, as everywhere in deep learning).

    Args:
        in_channels: C_in, channels of the input.
        out_channels: C_out, channels of the output.
        kernel_size: of the window, one number or one per dimension, as all arguments up to ``dilation``.
        stride: from window to window.
        padding: on both sides; or 'valid' (none), or 'same' (the output is as large as the input; stride 1).
        dilation: from tap to tap.
        groups: groups of channels that do not meet each other; C_in and C_out are multiples of it.
        bias: whether one number per output channel is added.
        padding_mode: what the padding shows: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: input (N, C_in, *) or (C_in, *), output (N, C_out, *) or (C_out, *), ``weight`` (C_out, C_in /
    groups, *kernel_size), ``bias`` (C_out,).

    Raises:
        ValueError: channels that ``groups`` does not divide; an unknown ``padding`` or ``padding_mode``;
            'same' with a stride.
        RuntimeError: an input of another number of dimensions, channels or dtype, or smaller than the kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            False,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve = getattr(F, f"conv{self._ndim}d")
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        result: Tensor = convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)
        return result


class Conv1d(_Conv):
    _ndim = 1


class Conv2d(_Conv):
    _ndim = 2


class Conv3d(_Conv):
    _ndim = 3


class _ConvTranspose(_ConvNd):
    """A transposed convolution: the gradient of a convolution with respect to its input, as a layer.

    Args:
        in_channels: C_in, channels of the input.
        out_channels: C_out, channels of the output.
        kernel_size: of the window, one number or one per dimension, as all arguments up to
            ``output_padding`` and ``dilation``.
        stride: from window to window in the output.
        padding: cut off on both sides of the output.
        output_padding: added to one side of the output's size, where the stride leaves it open.
        groups: groups of channels that do not meet each other; C_in and C_out are multiples of it.
        bias: whether one number per output channel is added.
        dilation: from tap to tap.
        padding_mode: 'zeros'.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: input (N, C_in, *) or (C_in, *), output (N, C_out, *) or (C_out, *) with each size (in - 1) *
    stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1; ``weight`` (C_in, C_out /
    groups, *kernel_size), ``bias`` (C_out,).

    Raises:
        ValueError: channels that ``groups`` does not divide, another ``padding_mode``, or an ``output_size``
            that the stride does not allow.
        RuntimeError: an input of another number of dimensions, channels or dtype.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            True,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        convolve = getattr(F, f"conv_transpose{self._ndim}d")
        more = self.output_padding if output_size is None else self._padding_for(input, output_size)
        result: Tensor = convolve(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )
        return result

    def _padding_for(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The ``output_padding`` that gives the wanted spatial sizes."""
        wanted = tuple(output_size)
        if len(wanted) == input.dim():
            wanted = wanted[-self._ndim :]
        if len(wanted) != self._ndim:
            raise ValueError(
                f"{type(self).__name__}: output_size must have {self._ndim} or {input.dim()} elements, "
                f"got {len(wanted)}"
            )
        padding: Any = self.padding
        least = [
            (size - 1) * stride - 2 * before + dilation * (kernel - 1) + 1
            for size, stride, before, dilation, kernel in zip(
                input.shape[-self._ndim :],
                self.stride,
                padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        most = [size + stride - 1 for size, stride in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: output_size {wanted} is out of reach: valid sizes are from "
                f"{tuple(least)} to {tuple(most)} for an input of {tuple(input.shape[-self._ndim :])}"
            )
        return tuple(size - low for low, size in zip(least, wanted, strict=True))


class ConvTranspose1d(_ConvTranspose):
    _ndim = 1


class ConvTranspose2d(_ConvTranspose):
    _ndim = 2


class ConvTranspose3d(_ConvTranspose):
    _ndim = 3
