"""A linear layer together with its softmax loss."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import math
from typing import Any

from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.linear import Linear
from unspool.nn.modules.module import Module

__all__ = ["LinearCrossEntropyLoss"]


class LinearCrossEntropyLoss(Module):
    """The softmax loss of ``linear(x)``: x (N, in) or (in,), targets as for CrossEntropyLoss.

    Args:
        in_features: size of a sample.
        num_classes: number of classes, C.
        out_features: sizes (d1, ...) of several targets per sample; the scores are (N, C, d1, ...).
        bias: whether the layer has a bias.
        device: of the layer.
        dtype: of the layer.
        reduction: "none", "mean" (over the total weight of the targets) or "sum".
        weight: one weight per class, shape (C,).
        ignore_index: a class that does not count; -100 if None.
        label_smoothing: in [0, 1].
        options: see ``functional.linear_cross_entropy``.

    Raises:
        RuntimeError: ``weight`` has another shape, or ``label_smoothing`` is out of range.
    """

    weight: Tensor | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        super().__init__()
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        self.in_features = in_features
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.linear = Linear(
            in_features, num_classes * math.prod(self.out_features), bias=bias, device=device, dtype=dtype
        )
        self.register_buffer("weight", weight)
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = [self.num_classes, *self.out_features]
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape([*shape, self.in_features]),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
