"""The softmax loss of a linear layer's output."""

from __future__ import annotations

from typing import Any

from unspool._arguments import require_tensors
from unspool._core import Tensor, functional
from unspool.nn._functional.loss import cross_entropy

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``.

    Args:
        input: features, shape (in,) or (N, in).
        linear_weight: shape (C, in), or (C, d1, ..., in) for several targets per sample.
        target: classes, int64, shape (), (N,) or (N, d1, ...); or probabilities, shape (C,), (N, C) or
            (N, C, d1, ...).
        linear_bias: shape (C,) or (C, d1, ...).
        weight: one weight per class, shape (C,).
        reduction: "none", "mean" (over the total weight of the targets) or "sum".
        ignore_index: a class that does not count; -100 if None.
        label_smoothing: in [0, 1].
        options: None or ``nn.LinearCrossEntropyOptions``, which has no effect.

    Raises:
        RuntimeError: shapes that do not go together, or ``ignore_index`` with probabilities.
        ValueError: not as many targets as there are samples.
        TypeError: ``options`` is something else.
    """
    require_tensors("linear_cross_entropy", input=input, linear_weight=linear_weight, target=target)
    if linear_bias is not None:
        require_tensors("linear_cross_entropy", linear_bias=linear_bias)
    if options is not None:
        from unspool.nn import LinearCrossEntropyOptions

        if not isinstance(options, LinearCrossEntropyOptions):
            raise TypeError(
                "linear_cross_entropy: options must be nn.LinearCrossEntropyOptions or None, not "
                f"{type(options).__name__}"
            )
    if linear_weight.ndim < 2:
        raise RuntimeError(
            "linear_cross_entropy: linear_weight must be (C, ..., in_features), got "
            f"{tuple(linear_weight.shape)}"
        )
    if input.ndim not in (1, 2) or (input.ndim == 1 and linear_weight.ndim > 2):
        raise RuntimeError(
            "linear_cross_entropy: input must be (in_features,) or (N, in_features), got "
            f"{tuple(input.shape)} for linear_weight {tuple(linear_weight.shape)}"
        )
    if input.ndim == 2 and target.ndim > 0 and input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({target.shape[0]})."
        )
    outputs = linear_weight.shape[:-1]
    if linear_bias is not None and tuple(linear_bias.shape) != tuple(outputs):
        raise RuntimeError(
            f"linear_cross_entropy: linear_bias must have shape {tuple(outputs)}, got "
            f"{tuple(linear_bias.shape)}"
        )
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("linear_cross_entropy: ignore_index needs classes, but target holds probabilities")
    flat = None if linear_bias is None else linear_bias.reshape(-1)
    logits = functional.linear(input, linear_weight.flatten(0, -2), flat).reshape(
        [*input.shape[:-1], *outputs]
    )
    return cross_entropy(
        logits,
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
