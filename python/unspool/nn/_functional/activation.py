"""Activation functions that add to the operation: in-place forms, old defaults, sampling."""

from __future__ import annotations

from typing import Any

import unspool
from unspool._arguments import require_tensor
from unspool._core import Tensor
from unspool._functions.overwriting import overwrite
from unspool._warning import warn
from unspool.nn._functional.common import in_place, ops


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), element by element."""
    return in_place("relu", ops.relu, input) if inplace else ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6), element by element."""
    return in_place("relu6", ops.relu6, input) if inplace else ops.relu6(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Gives x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2015)."""
    return in_place("elu", ops.elu, input, alpha) if inplace else ops.elu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled exponential linear unit with the constants of Klambauer et al. 2017."""
    return in_place("selu", ops.selu, input) if inplace else ops.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)) (Barron 2017)."""
    return in_place("celu", ops.celu, input, alpha) if inplace else ops.celu(input, alpha)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Gives x where x > 0, else negative_slope * x (Maas et al. 2013)."""
    if inplace:
        return in_place("leaky_relu", ops.leaky_relu, input, negative_slope)
    return ops.leaky_relu(input, negative_slope)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Gives x held between ``min_val`` and ``max_val``."""
    if inplace:
        return in_place("hardtanh", ops.hardtanh, input, min_val, max_val)
    return ops.hardtanh(input, min_val, max_val)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Gives x where x > threshold, else ``value``."""
    if inplace:
        return in_place("threshold", ops.threshold, input, threshold, value)
    return ops.threshold(input, threshold, value)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6 (Courbariaux et al. 2015, in the form of Howard et al. 2019)."""
    return in_place("hardsigmoid", ops.hardsigmoid, input) if inplace else ops.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Gives x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019)."""
    return in_place("hardswish", ops.hardswish, input) if inplace else ops.hardswish(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Gives x * sigmoid(x) (Hendrycks and Gimpel 2016; Ramachandran et al. 2017, as swish)."""
    return in_place("silu", ops.silu, input) if inplace else ops.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Gives x * tanh(softplus(x)) (Misra 2019)."""
    return in_place("mish", ops.mish, input) if inplace else ops.mish(input)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Gives x where x > 0, else a * x with a ~ U(lower, upper) per element (Xu et al. 2015).

    Outside of training a is the middle of the range.

    Raises:
        RuntimeError: ``lower`` exceeds ``upper``.
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: lower ({lower}) must not exceed upper ({upper})")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    # A number is drawn for each element that has a slope, and in float64, as PyTorch does.
    is_low = input.detach() <= 0
    slopes = unspool.empty(int(is_low.sum()), dtype=unspool.float64).uniform_(lower, upper).to(input.dtype)
    result = input * unspool.ones_like(input).masked_scatter(is_low, slopes)
    return overwrite("rrelu_", input, result) if inplace else result


def _old_default_dim(name: str, input: Tensor) -> int:
    """The dimension that ``softmax(x)`` once stood for; a guess, hence the warning."""
    dimensions = require_tensor("input", input, name).ndim
    warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
    )
    return 0 if dimensions in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) / sum of exp(x) along ``dim``, computed after the maximum has been subtracted.

    Args:
        input: any shape.
        dim: the dimension whose entries sum to 1; leaving it out is deprecated.
        dtype: converted to before computing.
    """
    if dim is None:
        dim = _old_default_dim("softmax", input)
    return ops.softmax(input, dim) if dtype is None else ops.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along ``dim``, without forming the softmax; arguments as ``softmax``."""
    if dim is None:
        dim = _old_default_dim("log_softmax", input)
    return ops.log_softmax(input, dim) if dtype is None else ops.log_softmax(input, dim, dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """softmax(-x) along ``dim``; arguments as ``softmax``."""
    if dim is None:
        dim = _old_default_dim("softmin", input)
    return ops.softmin(input, dim) if dtype is None else ops.softmin(input, dim, dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of the Gumbel-softmax distribution (Jang et al. 2017, Maddison et al. 2017).

    Args:
        logits: unnormalized log probabilities, any shape.
        tau: temperature, above 0.
        hard: True gives one-hot samples that pass gradients on as if they were soft.
        eps: accepted and without effect.
        dim: the dimension that holds the categories.
    """
    require_tensor("logits", logits, "gumbel_softmax")
    del eps
    exponential = unspool.empty_like(logits).exponential_()
    soft = softmax((logits - exponential.log()) / tau, dim)
    if not hard:
        return soft
    winner = soft.argmax(dim, keepdim=True)
    categories = unspool.arange(logits.shape[dim]).reshape([-1] + [1] * (logits.ndim - 1 - dim % logits.ndim))
    one_hot = (categories == winner).to(logits.dtype)
    return one_hot - soft.detach() + soft


def relu_(input: Tensor) -> Tensor:
    """``relu`` in place."""
    return relu(input, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``elu`` in place."""
    require_tensor("input", input, "elu_")
    return elu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """``selu`` in place."""
    require_tensor("input", input, "selu_")
    return selu(input, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``celu`` in place."""
    require_tensor("input", input, "celu_")
    return celu(input, alpha, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``leaky_relu`` in place."""
    return leaky_relu(input, negative_slope, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``hardtanh`` in place."""
    return hardtanh(input, min_val, max_val, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """``threshold`` in place."""
    bounded: Tensor = in_place("threshold", ops.threshold, input, threshold, value)
    return bounded


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """``rrelu`` in place."""
    return rrelu(input, lower, upper, training, True)
