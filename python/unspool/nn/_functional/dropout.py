"""Dropout in place, and of whole channels."""

from __future__ import annotations

from collections.abc import Callable

from unspool import _core
from unspool._arguments import require_tensors
from unspool._core import Tensor
from unspool._functions.overwriting import overwrite
from unspool._warning import warn
from unspool.nn._functional.common import ops


def _dropped(
    function: Callable[[Tensor, float, bool], Tensor], input: Tensor, p: float, training: bool, inplace: bool
) -> Tensor:
    if inplace and training:
        return overwrite(f"{function.__name__}_", input, function(input, p, training))
    return function(input, p, training)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability ``p`` and scales the rest by 1 / (1 - p) (Srivastava et al. 2014).

    Args:
        input: any shape, floating point.
        p: probability of an element to be zeroed.
        training: False returns the input as it is.
        inplace: overwrite ``input``.

    Raises:
        ValueError: ``p`` is not in [0, 1].
    """
    if inplace and training:
        return overwrite("dropout_", input, ops.dropout(input, p, training))
    return ops.dropout(input, p, training)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Sets each element to selu's saturation value with probability ``p`` (Klambauer et al. 2017).

    The result is rescaled so that standard normal inputs keep their mean and variance. Arguments as
    ``dropout``.
    """
    return _dropped(ops.alpha_dropout, input, p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """``alpha_dropout`` of whole channels: input (N, C, ...); arguments as ``dropout``."""
    return _dropped(ops.feature_alpha_dropout, input, p, training, inplace)


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of (N, C, L) or (C, L) with probability ``p`` (Tompson et al. 2015).

    Args:
        input: floating point.
        p: probability of a channel to be zeroed; the others are scaled by 1 / (1 - p).
        training: False returns the input as it is.
        inplace: overwrite ``input``.

    Raises:
        ValueError: ``p`` is not in [0, 1].
        RuntimeError: another number of dimensions.
    """
    require_tensors("dropout1d", input=input)
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: expected a 2-d (C, L) or 3-d (N, C, L) input, got {tuple(input.shape)}"
        )
    return _channels(input, p, training, inplace, batched=input.dim() == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of (N, C, H, W) with probability ``p``; as ``dropout1d``.

    A 3-d input is taken for (N, C, L), with a warning, like any other number of dimensions from 2 on.
    """
    require_tensors("dropout2d", input=input)
    _check_probability(p)
    if input.dim() != 4:
        warn(
            f"dropout2d: received a {input.dim()}-d input {tuple(input.shape)}, which is taken for (N, C, "
            "...); expected (N, C, H, W). Use dropout, dropout1d or dropout3d for other shapes.",
        )
    return _channels(input, p, training, inplace, batched=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of (N, C, D, H, W) or (C, D, H, W) with probability ``p``; as ``dropout1d``."""
    require_tensors("dropout3d", input=input)
    _check_probability(p)
    if input.dim() not in (4, 5):
        warn(
            f"dropout3d: received a {input.dim()}-d input {tuple(input.shape)}, which is taken for (C, "
            "...); expected (N, C, D, H, W) or (C, D, H, W). Use dropout, dropout1d or dropout2d for other "
            "shapes.",
        )
    return _channels(input, p, training, inplace, batched=input.dim() == 5)


def _channels(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if not training:
        return input
    whole = input if batched else input.unsqueeze(0)
    result = _core.ops.feature_dropout(whole, p, True)
    result = result if batched else result.squeeze(0)
    return overwrite("dropout_", input, result) if inplace else result
