"""Element-wise modules from the user's own functions, and sums and products of several inputs."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

from unspool._core import Tensor
from unspool.autograd import Function
from unspool.nn.modules.module import Module

__all__ = ["Elementwise", "Product", "Sum"]


class _FromDerivative(Function):
    """f(z), whose derivative the user gives as another function of z."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, f: Callable[[Tensor], Tensor], dfdz: Callable[[Tensor], Tensor]
    ) -> Tensor:
        a = _checked("f", f(z), z)
        ctx.save_for_backward(z)
        ctx.dfdz = dfdz
        return a

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (z,) = ctx.saved_tensors
        slope = _checked("dfdz", ctx.dfdz(z), z)
        return gradient * slope, None, None


def _checked(name: str, result: Any, z: Tensor) -> Tensor:
    """``result`` of the user's function ``name`` at ``z``, which must have the shape of ``z``."""
    if not isinstance(result, Tensor) or result.shape != z.shape:
        got = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
        raise ValueError(f"Elementwise: {name} maps shape {tuple(z.shape)} to the same shape, but gave {got}")
    return result


class Elementwise(Module):
    """a = f(z), element by element, from a function and its derivative.

    Args:
        f: maps a tensor to one of the same shape. It may compute in any way, NumPy included: it is not
            recorded.
        dfdz: maps z to df/dz, same shape. Where it is made of unspool's operations, second derivatives work
            too.

    Raises:
        ValueError: when called, if either function gives another shape.

    Example::

        square = nn.Elementwise(lambda z: z * z, lambda z: 2 * z)
    """

    def __init__(self, f: Callable[[Tensor], Tensor], dfdz: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.f = f
        self.dfdz = dfdz

    def forward(self, z: Tensor) -> Tensor:
        return _FromDerivative.apply(z, self.f, self.dfdz)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"f={_name(self.f)}, dfdz={_name(self.dfdz)}"


class Sum(Module):
    """The element-wise sum of one or more inputs, whose shapes broadcast."""

    def forward(self, *inputs: Tensor) -> Tensor:
        if not inputs:
            raise TypeError("Sum: expected at least one input")
        return functools.reduce(operator.add, inputs)


class Product(Module):
    """The element-wise product of one or more inputs, whose shapes broadcast."""

    def forward(self, *inputs: Tensor) -> Tensor:
        if not inputs:
            raise TypeError("Product: expected at least one input")
        return functools.reduce(operator.mul, inputs)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
