"""Parametrizations: a parameter that is computed, at every use, from others.

``register_parametrization(module, "weight", f)`` keeps the old weight as
``module.parametrizations.weight.original`` and makes ``module.weight`` the result of ``f(original)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.nn.modules.container import ModuleDict, ModuleList
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrized tensor is computed once, at its first use."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if _cache_depth == 0:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in the order they are applied, and the tensors they start from.

    The original is ``original``, or ``original0``, ``original1``, ... where ``right_inverse`` of the first
    parametrization gives several.

    Args:
        modules: the parametrizations.
        original: the tensor before them.
        unsafe: whether they may change dtype or shape, and are not tried at once.

    Raises:
        ValueError: ``right_inverse`` gives no tensors, or the parametrizations change dtype or shape.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        start = _inverted(modules, original)
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if isinstance(start, Tensor) else len(start)
        if isinstance(start, Tensor):
            if start is not original:
                original.data = start.detach()
            _keep(self, "original", original)
        else:
            for i, each in enumerate(start):
                wraps = isinstance(original, Parameter)
                _keep(self, f"original{i}", Parameter(each, original.requires_grad) if wraps else each)
        if not unsafe:
            self._check(original)

    def _check(self, original: Tensor) -> None:
        result = self()
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        if self.is_tensor:
            shape, dtype = self.original.shape, self.original.dtype
        else:
            shape, dtype = original.shape, original.dtype
        if result.dtype != dtype or result.shape != shape:
            raise ValueError(
                f"Registering a parametrization may not change dtype or shape of the tensor, from {dtype} "
                f"{tuple(shape)} to {result.dtype} {tuple(result.shape)}, unless the `unsafe` flag is "
                "enabled."
            )

    def right_inverse(self, value: Tensor) -> None:
        """Changes the original tensors so that the parametrized one becomes ``value``, as far as it can.

        Raises:
            RuntimeError: a parametrization has no ``right_inverse``.
            ValueError: what comes out does not fit the originals.
        """
        with unspool.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            parts = [value] if self.is_tensor else list(value)
            if len(parts) != self.ntensors:
                raise ValueError(
                    f"right_inverse must return {self.ntensors} tensors, as before. Got {len(parts)}."
                )
            for target, part in zip(self._originals(), parts, strict=True):
                if not isinstance(part, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(part).__name__}")
                if part.dtype != target.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {part.dtype} while the original "
                        f"has dtype {target.dtype}"
                    )
                target.data = part.detach()

    def _originals(self) -> list[Tensor]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        result: Any = self[0](*self._originals())
        for module in list(self)[1:]:
            result = module(result)
        return result  # type: ignore[no-any-return]


def _inverted(modules: Sequence[Module], original: Tensor) -> Tensor | Sequence[Tensor]:
    """What ``original`` is computed from, by the right inverses that there are."""
    value: Any = original
    with unspool.no_grad():
        try:
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
                # Without one, the original itself is what the parametrization starts from.
        except NotImplementedError:
            value = original
    if not isinstance(value, Tensor | Sequence):
        raise ValueError(
            "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
            f"{type(value).__name__}"
        )
    if isinstance(value, Sequence) and not all(isinstance(each, Tensor) for each in value):
        raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors")
    return value


def _keep(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _property_of(name: str) -> property:
    def get(self: Any) -> Tensor:
        if _cache_depth == 0:
            return self.parametrizations[name]()  # type: ignore[no-any-return]
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _with_new_class(module: Module) -> None:
    """Gives the module a class of its own, in which parametrized tensors are properties."""
    cls = type(module)

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        other = self.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(deepcopy(self.__dict__, memo))
        return other

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        del self, protocol
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(): save that instead"
        )

    members: dict[str, Any] = {"__reduce_ex__": __reduce_ex__}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = __deepcopy__
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes a parameter or buffer of a module the result of a parametrization.

    Args:
        module: whose tensor it is.
        tensor_name: the tensor's name; several parametrizations of one name are applied one after the other.
        parametrization: takes the original tensor, or all of them, and returns the one to use. Its
            ``right_inverse``, where it has one, takes a value and returns originals for it.
        unsafe: whether the parametrization may change dtype or shape.

    Returns:
        The module, which has a class of its own from now on.

    Raises:
        ValueError: there is no such tensor, or dtype or shape change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        held: Any = module.parametrizations[tensor_name]
        _append(module, held, tensor_name, parametrization, unsafe)
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _with_new_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property_of(tensor_name))
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def _append(module: Module, held: ParametrizationList, name: str, added: Module, unsafe: bool) -> None:
    """Puts one more parametrization behind those of a tensor."""
    if not unsafe:
        before = getattr(module, name)
        after = added(before)
        if after.dtype != before.dtype or after.shape != before.shape:
            raise ValueError(
                "Registering a parametrization may not change dtype or shape of the tensor, unless the "
                "`unsafe` flag is enabled."
            )
    held.append(added)
    held.unsafe |= unsafe


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module, or one tensor of it, is parametrized."""
    held = module._modules.get("parametrizations")
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Undoes ``register_parametrization``.

    Args:
        module: whose tensor it is.
        tensor_name: the tensor's name.
        leave_parametrized: whether the tensor keeps its parametrized value; False brings the original back.

    Returns:
        The module; without any parametrization left it has its first class again.

    Raises:
        ValueError: the tensor is not parametrized, or has several originals to bring back.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    all_held: Any = module.parametrizations
    held: ParametrizationList = all_held[tensor_name]
    if held.is_tensor:
        original = held.original
        if leave_parametrized:
            with unspool.no_grad():
                original.data = getattr(module, tensor_name).detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms "
            "of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del all_held[tensor_name]
    _keep(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before its first parametrization."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Gives one module the parametrizations of another, and the tensors behind them.

    Args:
        from_module: a parametrized module.
        to_module: receives them, in place of its tensors of the same names.
        tensor_name: the tensor to treat; all parametrized ones where None.

    Returns:
        ``to_module``.
    """
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in [tensor_name] if tensor_name is not None else list(source):
        for each in source[name]:
            if not is_parametrized(to_module, name) and not hasattr(to_module, name):
                _keep(to_module, name, Parameter(getattr(from_module, name).detach()))
            register_parametrization(to_module, name, deepcopy(each))
        target: Any = to_module.parametrizations[name]
        for new, old in zip(target._originals(), source[name]._originals(), strict=True):
            new.data = old.detach().clone()
    return to_module
