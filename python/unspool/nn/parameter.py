"""The tensor classes that a Module registers when they are assigned to it: Parameter and Buffer.

No registration logic lives here (see ``modules/_tree.py``); these classes only mark a tensor.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

from unspool._core import Tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that a module trains: assigned as an attribute, it appears in ``Module.parameters()``.

    Args:
        data: values of any shape, shared and not copied; floating point where ``requires_grad`` is True.
            An empty 1-d tensor by default.
        requires_grad: whether gradients are accumulated for it.

    Raises:
        TypeError: ``data`` is not a tensor.
        RuntimeError: ``requires_grad`` for a dtype that has no gradients (integers, bool).
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:  # noqa: D102
        if data is None:
            import unspool

            data = unspool.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(
                f"{cls.__name__}(data): expected a Tensor, got {type(data).__name__}; "
                "build one first, for example with unspool.tensor(data)"
            )
        parameter: Parameter = Tensor._make_subclass(cls, data, requires_grad)
        return parameter

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        known = memo.get(id(self))
        if known is not None:
            return known  # type: ignore[no-any-return]
        result = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = result
        for name, value in _attributes(self).items():
            setattr(result, name, copy.deepcopy(value, memo))
        return result

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # The third entry stands for hooks, which are not saved: the layout other readers of such files
        # expect.
        state = _attributes(self) or None
        arguments: tuple[Any, ...] = (self.data, self.requires_grad, OrderedDict())
        if state is None and type(self) is Parameter:
            return (_rebuild_parameter, arguments)
        return (_rebuild_parameter_with_state, (type(self), *arguments, state))


def _attributes(tensor: Tensor) -> dict[str, Any]:
    """What the user has attached to a tensor."""
    return dict(getattr(tensor, "__dict__", {}))


def _rebuild_parameter(data: Tensor, requires_grad: bool, _hooks: Any) -> Parameter:
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    cls: type[Parameter], data: Tensor, requires_grad: bool, _hooks: Any, state: dict[str, Any] | None
) -> Parameter:
    parameter: Parameter = Tensor._make_subclass(cls, data, requires_grad)
    for name, value in (state or {}).items():
        setattr(parameter, name, value)
    return parameter


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being trained (a running mean, say).

    Args:
        data: values of any shape and dtype, shared and not copied; an empty 1-d tensor by default.
        persistent: whether ``Module.state_dict()`` holds it.

    Raises:
        TypeError: ``data`` is not a tensor.
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:  # noqa: D102
        if data is None:
            import unspool

            data = unspool.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"{cls.__name__}(data): expected a Tensor, got {type(data).__name__}")
        buffer: Buffer = Tensor._make_subclass(cls, data, data.requires_grad)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        known = memo.get(id(self))
        if known is not None:
            return known  # type: ignore[no-any-return]
        result = type(self)(self.data.clone(), persistent=self.persistent)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (_rebuild_buffer, (type(self), self.data, self.persistent))


def _rebuild_buffer(cls: type[Buffer], data: Tensor, persistent: bool) -> Buffer:
    return cls(data, persistent=persistent)
