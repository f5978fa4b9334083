"""Layers that are linear in their input: Identity, Linear, Bilinear."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import math
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn import init
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = ["Bilinear", "Identity", "Linear", "NonDynamicallyQuantizableLinear"]


class Identity(Module):
    """Returns its input; any arguments of the constructor are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x Wᵀ + b.

    Args:
        in_features: size of each input sample, H_in.
        out_features: size of each output sample, H_out.
        bias: whether b is added.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: input (*, H_in), output (*, H_out), ``weight`` (H_out, H_in), ``bias`` (H_out,). Both parameters
        start from
    U(-k, k) with k = 1 / sqrt(in_features).

    Raises:
        RuntimeError: an input whose last dimension is not H_in, or of another dtype than the parameters.
    """

    in_features: int
    out_features: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(unspool.empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(unspool.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new initial values: He-uniform with a = sqrt(5), which is U(-k, k) of the class docstring."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """Linear under the name that some scripts import it by."""


class Bilinear(Module):
    """y = x1ᵀ A x2 + b.

    Args:
        in1_features: size of each first input sample, H1.
        in2_features: size of each second input sample, H2.
        out_features: size of each output sample, H_out.
        bias: whether b is added.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: inputs (*, H1) and (*, H2), output (*, H_out), ``weight`` (H_out, H1, H2), ``bias`` (H_out,). Both
    parameters start from U(-k, k) with k = 1 / sqrt(in1_features).

    Raises:
        ValueError: ``in1_features`` is not above 0.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(
            unspool.empty((out_features, in1_features, in2_features), device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(unspool.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
