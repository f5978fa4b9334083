"""Layers that take their input's size from the first input: the mechanism, and the layers that have it."""

# ruff: noqa: D101, D102 (the layers have the docstring of their base, which says what forward takes)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import unspool
from unspool._core import Tensor
from unspool.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from unspool.nn.modules.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from unspool.nn.modules.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from unspool.nn.modules.linear import Linear
from unspool.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
    "LazyModuleMixin",
]


class LazyModuleMixin:
    """Makes a module wait for its first input (or its first ``load_state_dict``) to learn its shapes.

    A lazy layer derives from this class and then from the layer it will be. Its constructor registers
    ``UninitializedParameter`` and ``UninitializedBuffer``; its ``initialize_parameters``, called with the
    arguments of the first ``forward``, materializes them. After that the module's class is ``cls_to_become``.
    Parameters can be given to an optimizer before, but an optimizer that looks at shapes must come after.
    """

    cls_to_become: ClassVar[type[Any] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(_initialize, with_kwargs=True)  # type: ignore[attr-defined]

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materializes what is uninitialized, from the arguments of ``forward``."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module still waits for its shape."""
        own: Any = self
        return any(is_lazy(member) for member in (*own._parameters.values(), *own._buffers.values()))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        own: Any = self
        for name, member in (*own._parameters.items(), *own._buffers.items()):
            value = state_dict.get(prefix + name)
            if is_lazy(member) and isinstance(value, Tensor) and not is_lazy(value):
                with unspool.no_grad():
                    member.materialize(value.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)  # type: ignore[misc]


def _initialize(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Runs before the first ``forward`` of a lazy module."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(
            f"module {type(module).__name__} has parameters or buffers that initialize_parameters left "
            "uninitialized"
        )
    module._initialize_hook.remove()
    del module._initialize_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


class _LazyLayer(LazyModuleMixin):
    """A layer with ``weight`` and ``bias`` that draws its initial values when it knows their shapes."""

    def reset_parameters(self) -> None:
        """Draws new initial values, once there is something to draw."""
        own: Any = self
        if not self.has_uninitialized_params() and (own.weight is None or own.weight.numel() > 0):
            super().reset_parameters()  # type: ignore[misc]

    def _wait(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def _materialize(self, weight: tuple[int, ...], bias: int) -> None:
        own: Any = self
        with unspool.no_grad():
            own.weight.materialize(weight)
            if own.bias is not None:
                own.bias.materialize((bias,))
        self.reset_parameters()


class LazyLinear(_LazyLayer, Linear):
    """Linear whose ``in_features`` is the last size of the first input.

    Args:
        out_features: size of each output sample.
        bias: whether b is added.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self._wait(bias, device, dtype)

    def initialize_parameters(self, input: Tensor) -> None:
        if self.has_uninitialized_params():
            self._materialize((self.out_features, input.shape[-1]), self.out_features)
        self.in_features = self.weight.shape[-1]


class _LazyConvolution(_LazyLayer):
    """What lazy convolutions share: reading the channels off the first input."""

    def initialize_parameters(self, input: Tensor, output_size: Sequence[int] | None = None) -> None:
        del output_size
        own: Any = self
        if not self.has_uninitialized_params():
            own.in_channels = own.weight.shape[0] if own.transposed else own.weight.shape[1] * own.groups
            return
        if input.dim() not in (own._ndim + 1, own._ndim + 2):
            raise RuntimeError(
                f"{type(self).__name__}: input must have {own._ndim + 1} dimensions (unbatched) or "
                f"{own._ndim + 2} (batched), got {tuple(input.shape)}"
            )
        own.in_channels = input.shape[input.dim() - own._ndim - 1]
        if own.in_channels % own.groups != 0:
            raise ValueError(
                f"in_channels must be divisible by groups, got {own.in_channels} and {own.groups}"
            )
        first, second = own.out_channels, own.in_channels
        if own.transposed:
            first, second = second, first
        self._materialize((first, second // own.groups, *own.kernel_size), own.out_channels)


class _LazyConv(_LazyConvolution):
    """The convolution of the same name whose ``in_channels`` is the channels of the first input.

    Args: those of the layer it becomes, without ``in_channels``.

    Raises:
        RuntimeError: a first input of another number of dimensions.
        ValueError: channels of the first input that ``groups`` does not divide.
    """

    def __init__(
        self,
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
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self.out_channels = out_channels
        self._wait(bias, device, dtype)


class _LazyConvTranspose(_LazyConvolution):
    """The transposed convolution of the same name, as ``_LazyConv``."""

    def __init__(
        self,
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
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode
        )
        self.out_channels = out_channels
        self._wait(bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    cls_to_become = ConvTranspose3d


class _LazyNorm(_LazyLayer):
    """The normalization of the same name whose ``num_features`` is the channels of the first input.

    Args: those of the layer it becomes, without ``num_features``; weights and running statistics are there
        unless ``affine`` or ``track_running_stats`` is False.

    Raises:
        ValueError: a first input of another number of dimensions.
    """

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        if affine:
            self._wait(bias, device, dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)

    def initialize_parameters(self, input: Tensor) -> None:
        own: Any = self
        if not self.has_uninitialized_params():
            members = (own.weight, own.running_mean)
            own.num_features = next((each.shape[0] for each in members if each is not None), own.num_features)
            if own.num_features:
                return
        own._check_input_dim(input)
        single = hasattr(self, "_no_batch_dim") and input.dim() == own._no_batch_dim()
        own.num_features = input.shape[0 if single else 1]
        with unspool.no_grad():
            for member in (own.weight, own.bias, own.running_mean, own.running_var):
                if is_lazy(member):
                    member.materialize((own.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    cls_to_become = InstanceNorm3d
