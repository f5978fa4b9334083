"""``Module``, the base class of everything in ``unspool.nn``: modes, conversions, printing.

The tree, its hooks and its saved state are inherited, one layer per file: ``_tree.py``, ``_hooks.py``,
``_state.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

import unspool
from unspool._core import Tensor
from unspool.nn.modules import _tree
from unspool.nn.modules._hooks import (
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from unspool.nn.modules._state import IncompatibleKeys, StatefulModule

__all__ = [
    "IncompatibleKeys",
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

T = TypeVar("T", bound="Module")

# The name that libraries built on PyTorch import it by.
_IncompatibleKeys = IncompatibleKeys


class _AnyCall:
    """What ``inspect.signature`` finds of a module's call, which is written in C; classes have their own."""

    def __get__(self, module: Any, kind: type) -> Any:
        import inspect  # it takes milliseconds, and few ask

        if module is None:
            raise AttributeError("__signature__", name="__signature__", obj=kind)
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return inspect.Signature(
            [inspect.Parameter(name, how) for name, how in zip(("args", "kwargs"), kinds, strict=True)]
        )


class Module(StatefulModule):
    """A function with parameters: assign those in ``__init__``, say in ``forward`` what it computes.

    Example::

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(4, 64)
                self.output = nn.Linear(64, 2)

            def forward(self, x):  # x: (batch, 4)
                return self.output(F.relu(self.hidden(x)))  # (batch, 2)

    A Parameter assigned as an attribute is found by ``parameters()``, a Module by ``modules()``; tensors that
    are state without being trained are added with ``register_buffer``.
    """

    __signature__ = _AnyCall()

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Calls ``fn(module)`` for every module below and then for this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- modes -----------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Sets training mode here and below (dropout drops, batch norm uses the batch); returns self.

        Raises:
            ValueError: ``mode`` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, got {type(mode).__name__}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Sets evaluation mode here and below: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freezes (False) or thaws all parameters; returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros where ``set_to_none`` is False."""
        for parameter in self.parameters():
            gradient = parameter._grad
            if gradient is None or set_to_none:
                parameter.grad = None
            else:
                if gradient.grad_fn is not None:
                    gradient.detach_()
                else:
                    gradient.requires_grad_(False)
                gradient.zero_()

    # -- compiling -------------------------------------------------------------------------------------

    def compile(self, **kwargs: Any) -> None:
        """Compiles the forward pass of this module in place; hooks run around it as before.

        The module stays the same object with the same parameters and ``state_dict``. Copies of it, also
        pickled ones, are not compiled. A further call replaces the earlier one's settings.

        Args:
            **kwargs: what ``unspool.compile`` takes by name, for example ``fallback="eager"``.
        """
        from unspool._compile import CompiledFunction

        forward = self.forward
        if isinstance(forward, CompiledFunction):
            forward = forward.__wrapped__
        self.__dict__["forward"] = unspool.compile(forward, **kwargs)

    # -- conversions -----------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replaces every tensor by ``fn`` of it, here and below; Parameter objects stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with unspool.no_grad():
            for parameter in self._parameters.values():
                if parameter is not None:
                    gradient = parameter._grad
                    converted = fn(parameter.data)
                    if gradient is not None:
                        parameter.grad = None
                    parameter.data = converted
                    if gradient is not None:
                        parameter.grad = fn(gradient.detach()).requires_grad_(gradient.requires_grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves and converts parameters and buffers in place.

        Call forms: ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``.

        Args:
            *args: any of these by position.
            **kwargs: ``device``: where to. ``dtype``: a floating point one; integer and bool tensors keep
                theirs. ``non_blocking``: accepted; copies on the CPU are complete when the call returns.

        Returns:
            self; Parameter objects stay the same, so an optimizer that holds them stays valid.

        Raises:
            TypeError: an argument of another kind, or a dtype that is not floating point.
        """
        device, dtype, non_blocking = _parse_to(args, kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

        def convert(tensor: Tensor) -> Tensor:
            wanted = dtype if tensor.is_floating_point() else None
            if device is None:
                return tensor if wanted is None else tensor.to(wanted)
            if wanted is None:
                return tensor.to(device, non_blocking=non_blocking)
            return tensor.to(device, wanted, non_blocking=non_blocking)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Self:
        """Converts all parameters and buffers, integer ones included, to ``dst_type``."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    # A subclass that overrides ``to`` may call these from it: they do not ask it.

    def float(self) -> Self:
        """Converts all floating point parameters and buffers to float32."""
        return Module.to(self, unspool.float32)

    def double(self) -> Self:
        """Converts all floating point parameters and buffers to float64."""
        return Module.to(self, unspool.float64)

    def half(self) -> Self:
        """Converts all floating point parameters and buffers to float16.

        Raises:
            NotImplementedError: this build has no float16.
        """
        return Module.to(self, _dtype_named("float16", "half"))

    def bfloat16(self) -> Self:
        """Converts all floating point parameters and buffers to bfloat16.

        Raises:
            NotImplementedError: this build has no bfloat16.
        """
        return Module.to(self, _dtype_named("bfloat16", "bfloat16"))

    def cpu(self) -> Self:
        """Moves all parameters and buffers to main memory."""
        return Module.to(self, "cpu")

    def cuda(self, device: Any = None) -> Self:
        """Moves all parameters and buffers to a GPU.

        Args:
            device: index of the GPU; the current one by default.

        Raises:
            RuntimeError: this build or machine has none.
        """
        where = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
        return Module.to(self, where)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Moves parameters and buffers to ``device`` without their values, which are then arbitrary."""
        return self._apply(lambda tensor: unspool.empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Self:
        """Raises: tensors in memory shared between processes are not supported."""
        raise NotImplementedError("share_memory: memory shared between processes is not supported")

    # -- printing --------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """What ``repr`` shows between the parentheses; a subclass returns its own arguments."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indent(repr(module))}" for name, module in self._modules.items()]
        if not lines and not children:
            return f"{self._get_name()}()"
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def __dir__(self) -> list[str]:
        names = {*dir(self.__class__), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        # Entries like "0" of a Sequential cannot be written as attributes.
        return sorted(name for name in names if not name[0].isdigit())


def indent(text: str) -> str:
    """``text`` with all lines but the first moved right by two spaces."""
    return text.replace("\n", "\n  ")


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
    """(device, dtype, non_blocking) from any of the call forms of ``Module.to``."""
    named = {name: kwargs[name] for name in ("device", "dtype", "non_blocking") if name in kwargs}
    unknown = set(kwargs) - {"device", "dtype", "non_blocking", "copy", "memory_format", "tensor", "other"}
    if unknown:
        raise TypeError(f"Module.to() got an unexpected keyword argument '{sorted(unknown)[0]}'")
    values = list(args)
    for name in ("tensor", "other"):
        if name in kwargs:
            values.insert(0, kwargs[name])
    device, dtype = named.get("device"), named.get("dtype")
    non_blocking = bool(named.get("non_blocking", False))
    for value in values:
        if isinstance(value, unspool.dtype):
            dtype = value
        elif isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, bool):
            non_blocking = value
        elif isinstance(value, str | int | unspool.device):
            device = value
        elif value is not None:
            raise TypeError(
                f"Module.to() received an argument of type {type(value).__name__}; "
                "expected a device, a dtype or a tensor"
            )
    return device, dtype, non_blocking


def _dtype_named(name: str, call: str) -> Any:
    dtype = getattr(unspool, name, None)
    if dtype is None:
        raise NotImplementedError(
            f"Module.{call}(): {name} is not available in this build; use float32 or float64"
        )
    return dtype


# The annotations of the classes below name it; typing.get_type_hints looks it up there.
vars(_tree)["Module"] = Module
