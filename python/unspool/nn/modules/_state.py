"""A module's saved state: ``state_dict``, ``load_state_dict`` and their hooks.

Files are not read or written here; a state dict is an ordinary dictionary of tensors with dotted names.
"""

from __future__ import annotations

import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import unspool
from unspool._core import Tensor
from unspool.nn.modules._hooks import Hook, HookedModule
from unspool.nn.modules._registry import RemovableHandle
from unspool.nn.parameter import Parameter, is_lazy

_EXTRA_STATE_KEY = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict(strict=False)`` found that did not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"

    def __str__(self) -> str:
        return repr(self)


class StatefulModule(HookedModule):
    """A module whose parameters and persistent buffers can be taken out and put back by name."""

    _version: int = 1

    # -- saving ----------------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """State beyond tensors for ``state_dict()``; who overrides it overrides ``set_extra_state`` too."""
        raise RuntimeError("Module.get_extra_state() is called only where a subclass defines it")

    def set_extra_state(self, state: Any) -> None:
        """Takes back what ``get_extra_state`` returned; called by ``load_state_dict``."""
        del state
        raise RuntimeError("Module.set_extra_state() is called only where a subclass defines it")

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by dotted name.

        Args:
            *args: ``destination``, ``prefix`` and ``keep_vars`` by position, an old form.
            destination: a dictionary to add to; a new ordered one by default.
            prefix: put before every name.
            keep_vars: True stores the tensors themselves; False stores detached ones that share their memory.

        Returns:
            The dictionary; its attribute ``_metadata`` holds each module's version number.
        """
        if args:
            # The positional form, destination first, is old but still written.
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        attributes = self.__dict__
        for hook in tuple(attributes.get("_state_dict_pre_hooks", {}).values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in tuple(attributes.get("_state_dict_hooks", {}).values()):
            result = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if result is not None:
                    raise RuntimeError(
                        "a state_dict post-hook must return None and edit the dictionary in place"
                    )
            elif result is not None:
                destination = result
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Stores this module's own members; a subclass may add to it."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not StatefulModule.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY] = self.get_extra_state()

    # -- loading ---------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Puts the tensors of ``state_dict`` into the parameters and persistent buffers of the same names.

        Args:
            state_dict: tensors by dotted name; dtypes are converted to those of the module (unless
                ``assign``).
            strict: whether names on one side only are an error.
            assign: True replaces the module's tensors by the given ones; False copies values into them.

        Returns:
            The names that were missing and those that were not expected (both empty when ``strict``).

        Raises:
            TypeError: ``state_dict`` is not a mapping.
            RuntimeError: names or shapes do not match; the message lists every one of them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: expected state_dict to be dict-like, got {type(state_dict).__name__}: "
                "pass what Module.state_dict() returned"
            )
        metadata = getattr(state_dict, "_metadata", None)
        entries: OrderedDict[str, Any] = OrderedDict(state_dict)
        if metadata is not None:
            entries._metadata = metadata  # type: ignore[attr-defined]
        report = _Report()
        _load(self, entries, metadata or {}, "", assign, report)
        if strict:
            report.add_name_errors()
        if report.errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(report.errors)
            )
        return IncompatibleKeys(report.missing, report.unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Takes this module's own members from ``state_dict``; a subclass may rename old keys first."""
        for hook in tuple(self.__dict__.get("_load_state_dict_pre_hooks", {}).values()):
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = bool(local_metadata.get("assign_to_params_buffers", False))
        own: dict[str, Any] = {name: p for name, p in self._parameters.items() if p is not None}
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                own[name] = buffer
        for name, member in own.items():
            key = prefix + name
            if key in state_dict:
                error = _store(self, name, member, state_dict[key], key, assign)
                if error:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys)
        if strict:
            for key in state_dict:
                if key.startswith(prefix):
                    rest = key[len(prefix) :]
                    child, dot, _ = rest.partition(".")
                    if rest not in own and rest != _EXTRA_STATE_KEY and not (dot and child in self._modules):
                        unexpected_keys.append(key)

    def _load_extra_state(
        self, state_dict: Any, prefix: str, strict: bool, missing_keys: list[str], unexpected_keys: list[str]
    ) -> None:
        key = prefix + _EXTRA_STATE_KEY
        if type(self).set_extra_state is not StatefulModule.set_extra_state:
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)

    # -- hooks -----------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects."""
        return _keep(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict`` has collected.

        The hook edits the dictionary in place and returns None.
        """
        hook._from_public_api = True  # type: ignore[attr-defined]
        return _keep(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError("this hook is registered with register_state_dict_post_hook already")
        return _keep(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls ``hook`` before this module takes its members from a state dict.

        Its arguments: module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs.

        It runs before this module takes its members and may edit ``state_dict``.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> RemovableHandle:
        return _keep(self._load_state_dict_pre_hooks, _BoundHook(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` when this module and all below it have loaded.

        The hook may edit the two lists in place and so decide what counts as an error.
        """
        return _keep(self._load_state_dict_post_hooks, hook)


class _BoundHook:
    """A hook that is given its module first, without keeping the module alive."""

    def __init__(self, hook: Hook, module: Any) -> None:
        self.hook = hook
        self._module = weakref.ref(module)
        functools.update_wrapper(self, hook, updated=())

    def __call__(self, *args: Any) -> Any:
        module = self._module()
        if module is None:
            raise RuntimeError("the module that this hook was registered on is gone")
        return self.hook(module, *args)


class _Report:
    """What went wrong while loading, module by module."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []

    def add_name_errors(self) -> None:
        if self.unexpected:
            names = ", ".join(f'"{key}"' for key in self.unexpected)
            self.errors.insert(0, f"Unexpected key(s) in state_dict: {names}. ")
        if self.missing:
            names = ", ".join(f'"{key}"' for key in self.missing)
            self.errors.insert(0, f"Missing key(s) in state_dict: {names}. ")


def _keep(hooks: Any, hook: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _load(module: Any, entries: Any, metadata: Any, prefix: str, assign: bool, report: _Report) -> None:
    """Loads ``module`` and all below it; ``entries`` holds the names that start with ``prefix``."""
    local_metadata = dict(metadata.get(prefix[:-1], {}))
    if assign:
        local_metadata["assign_to_params_buffers"] = True
    module._load_from_state_dict(
        entries, prefix, local_metadata, True, report.missing, report.unexpected, report.errors
    )
    parts: dict[str, Any] = {
        name: OrderedDict() for name, child in module._modules.items() if child is not None
    }
    for key, value in entries.items():
        child_name, dot, _ = key[len(prefix) :].partition(".")
        if dot and child_name in parts:
            parts[child_name][key] = value
    for child_name, part in parts.items():
        part._metadata = metadata
        _load(module._modules[child_name], part, metadata, f"{prefix}{child_name}.", assign, report)
    incompatible = IncompatibleKeys(report.missing, report.unexpected)
    for hook in tuple(module.__dict__.get("_load_state_dict_post_hooks", {}).values()):
        if hook(module, incompatible) is not None:
            raise RuntimeError(
                "a load_state_dict post-hook must return None and edit the lists of keys in place"
            )


def _store(module: Any, name: str, member: Tensor, value: Any, key: str, assign: bool) -> str | None:
    """Gives one member its new value; returns what is wrong with it, if anything."""
    if not isinstance(value, Tensor) and getattr(type(value), "is_sparse", False) is not True:
        return (
            f'While copying the parameter named "{key}", expected a Tensor from the state_dict but received '
            f"{type(value).__name__}"
        )
    if is_lazy(value) and is_lazy(member):
        return None
    if tuple(value.shape) != tuple(member.shape):
        # A scalar was once saved with shape (1,).
        if member.dim() == 0 and tuple(value.shape) == (1,):
            value = value[0]
        else:
            return (
                f"size mismatch for {key}: copying a param with shape {_shape(value)} ({value.dtype}) from "
                "the "
                f"state_dict, the shape in current model is {_shape(member)} ({member.dtype}), in "
                f"{type(module).__name__}"
            )
    try:
        with unspool.no_grad():
            if not assign:
                member.copy_(value)
            elif isinstance(member, Parameter):
                if not isinstance(value, Parameter):
                    value = Parameter(value.detach(), requires_grad=member.requires_grad)
                else:
                    value.requires_grad_(member.requires_grad)
                setattr(module, name, value)
            else:
                setattr(module, name, value)
    except Exception as error:
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are {_shape(member)} '
            "and whose "
            f"dimensions in the state_dict are {_shape(value)}, an exception occurred: {error}"
        )
    return None


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
