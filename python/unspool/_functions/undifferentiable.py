"""Results whose derivative is refused, or zero, where their inputs need gradients."""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor


def without_derivative(who: str, result: Tensor, *inputs: Any) -> Tensor:
    """``result`` of the function ``who``; going back through it raises where an input needs gradients.

    Raises:
        RuntimeError: in the backward pass.
    """
    return _joined(result, inputs, who)


def with_zero_derivative(result: Tensor, *inputs: Any) -> Tensor:
    """``result``, whose derivative for all of the inputs is zero."""
    return _joined(result, inputs, None)


def _joined(result: Tensor, inputs: tuple[Any, ...], who: str | None) -> Tensor:
    wanted = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    if not wanted:
        return result
    from unspool.autograd.function import Function

    class Joined(Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> Tensor:
            ctx.set_materialize_grads(False)
            ctx.like = [(each.shape, each.dtype) for each in tensors]
            return result.detach()

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            del cotangents
            if who is not None:
                raise RuntimeError(
                    f"{who}: its derivative is not implemented; detach() the inputs where none is needed"
                )
            from unspool import zeros

            return tuple(zeros(shape, dtype=dtype) for shape, dtype in ctx.like)

    joined: Tensor = Joined.apply(*wanted)
    return joined
