"""The tensor classes that a Module registers when they are assigned to it: Parameter and Buffer.

No registration logic lives here (see ``modules/_tree.py``); these classes only mark a tensor. A tensor of a
class that results keep stays of that class: it gets an attribute as its mark, for which ``isinstance`` looks.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from unspool._core import Tensor
from unspool._tensor.subclasses import disabled_torch_function, is_asked

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class _Marking(type):
    """The class of Parameter and Buffer, of which marked tensors of other classes count as objects."""

    _mark: str | None

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        mark = vars(cls).get("_mark")  # derived classes have none
        return mark is not None and isinstance(instance, Tensor) and getattr(instance, mark, False) is True

    def marked(cls, data: Tensor, requires_grad: bool) -> Any:
        """The tensor over the same memory, of the data's own class, marked as one of these."""
        assert cls._mark is not None
        tensor = data.detach().requires_grad_(requires_grad)
        if type(tensor) is not type(data):
            raise RuntimeError(
                f"{cls.__name__}: detach() of a {type(data).__name__} must give one, but gave a "
                f"{type(tensor).__name__}; give {cls.__name__} the tensor as_subclass(Tensor)"
            )
        setattr(tensor, cls._mark, True)
        return tensor


class Parameter(Tensor, metaclass=_Marking):
    """A tensor that a module trains: assigned as an attribute, it appears in ``Module.parameters()``.

    Args:
        data: values of any shape, shared and not copied; floating point where ``requires_grad`` is True.
            An empty 1-d tensor by default. Of a class that results keep, the parameter is of that class too.
        requires_grad: whether gradients are accumulated for it.

    Raises:
        TypeError: ``data`` is not a tensor.
        RuntimeError: ``requires_grad`` for a dtype that has no gradients (integers, bool).
    """

    _mark = "_is_param"
    __torch_function__ = disabled_torch_function  # what is computed from a parameter is none

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:  # noqa: D102
        if data is None:
            import unspool

            data = unspool.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(
                f"{cls.__name__}(data): expected a Tensor, got {type(data).__name__}; "
                "build one first, for example with unspool.tensor(data)"
            )
        elif is_asked(type(data)):
            return cls.marked(data, requires_grad)  # type: ignore[no-any-return]
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


class Buffer(Tensor, metaclass=_Marking):
    """A tensor that belongs to a module's state without being trained (a running mean, say).

    Args:
        data: values of any shape and dtype, shared and not copied; an empty 1-d tensor by default. Of a class
            that results keep, the buffer is of that class too.
        persistent: whether ``Module.state_dict()`` holds it.

    Raises:
        TypeError: ``data`` is not a tensor.
    """

    _mark = "_is_buffer"
    persistent: bool
    __torch_function__ = disabled_torch_function

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:  # noqa: D102
        if data is None:
            import unspool

            data = unspool.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"{cls.__name__}(data): expected a Tensor, got {type(data).__name__}")
        kept = is_asked(type(data))
        buffer: Buffer = (
            cls.marked(data, data.requires_grad)
            if kept
            else Tensor._make_subclass(cls, data, data.requires_grad)
        )
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


class _Uninitialized:
    """What the two tensors without a shape share: they wait for ``materialize``."""

    _becomes: type[Any]

    def materialize(self, shape: Sequence[int], device: Any = None, dtype: Any = None) -> None:
        """Makes this an ordinary parameter or buffer of the given shape, with memory that holds anything.

        Args:
            shape: the sizes.
            device: that of the uninitialized tensor where None.
            dtype: that of the uninitialized tensor where None.
        """
        import unspool

        own: Any = self
        own.data = unspool.empty(tuple(shape), device=device or own.device, dtype=dtype or own.dtype)
        own.__class__ = self._becomes

    @property
    def shape(self) -> Any:
        """Not there yet."""
        raise RuntimeError(
            "an uninitialized parameter or buffer has no shape yet: run the lazy module's forward once, or "
            "load an initialized state_dict into it, before anything looks at its parameters"
        )

    def detach(self) -> Any:
        """Itself: there is nothing to detach, and a state dict shows that it is uninitialized."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter that does not know its shape yet, as lazy modules have before their first input.

    Args:
        requires_grad: whether gradients will be accumulated for it.
        device: where it will live.
        dtype: that it will have; the default dtype where None.
    """

    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:  # noqa: D102
        import unspool

        return Tensor._make_subclass(cls, unspool.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), type(self)(self.requires_grad, self.device, self.dtype))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (type(self), (self.requires_grad, None, self.dtype))


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer that does not know its shape yet.

    Args:
        requires_grad: whether it takes part in gradients.
        device: where it will live.
        dtype: that it will have; the default dtype where None.
        persistent: whether ``Module.state_dict()`` holds it.
    """

    _becomes = Buffer

    def __new__(  # noqa: D102
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        import unspool

        buffer = Tensor._make_subclass(cls, unspool.empty(0, device=device, dtype=dtype), requires_grad)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = type(self)(self.requires_grad, self.device, self.dtype, self.persistent)
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (type(self), (self.requires_grad, None, self.dtype, self.persistent))


def is_lazy(value: object) -> bool:
    """Whether a parameter or buffer still waits for its shape."""
    return isinstance(value, _Uninitialized)
