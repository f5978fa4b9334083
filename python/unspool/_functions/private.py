"""Functions that PyTorch keeps for itself and that public packages call all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool import _core
from unspool._core import Tensor

__all__ = ["_log_softmax_backward_data", "_softmax_backward_data"]


def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: _core.dtype | None = None
) -> Tensor:
    """Give the cotangent of ``softmax``'s input from those of its result: y (g - sum(g y)).

    Args:
        grad_output: the cotangent g of the result; floating, of any shape.
        output: the result y, of the same shape.
        dim: the dimension that was normalized.
        input_dtype: dtype of the input, which the cotangent gets; by default that of ``grad_output``.
    """
    total = (grad_output * output).sum(dim, keepdim=True)
    cotangent = output * (grad_output - total)
    return cotangent.to(input_dtype or grad_output.dtype)


def _log_softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: _core.dtype | None = None
) -> Tensor:
    """Give the cotangent of ``log_softmax``'s input from those of its result: g - exp(y) sum(g).

    The arguments are those of ``_softmax_backward_data``.
    """
    cotangent = grad_output - output.exp() * grad_output.sum(dim, keepdim=True)
    return cotangent.to(input_dtype or grad_output.dtype)


def _cast(name: str, dtype: _core.dtype) -> Callable[..., Tensor]:
    def cast(input: Tensor, non_blocking: bool = False) -> Tensor:
        del non_blocking
        return input.to(dtype)

    cast.__name__ = cast.__qualname__ = f"_cast_{name}"
    cast.__doc__ = f"Give the tensor in {dtype}; the tensor itself where it has that dtype."
    return cast


_CASTS: dict[str, Any] = {
    "Byte": _core.uint8,
    "Char": _core.int8,
    "Short": _core.int16,
    "Int": _core.int32,
    "Long": _core.int64,
    "Half": _core.float16,
    "Float": _core.float32,
    "Double": _core.float64,
}
for _name, _dtype in _CASTS.items():
    globals()[f"_cast_{_name}"] = _cast(_name, _dtype)
__all__ += [f"_cast_{_name}" for _name in _CASTS]
