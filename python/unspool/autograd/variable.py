"""The old name of a tensor that requires grad."""

from __future__ import annotations

from unspool._core import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """``Variable(data, requires_grad=False)`` gives a Tensor over the same elements."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:  # type: ignore[misc]
        """Give the tensor without history; ``volatile`` has no effect, as documented."""
        del volatile
        result = data.detach()
        return result.requires_grad_(requires_grad) if requires_grad else result
