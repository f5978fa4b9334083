"""The module tree: registering parameters, buffers and submodules, reading them as attributes, walking them.

Hooks (``_hooks.py``), saved state (``_state.py``) and conversions (``module.py``) are built on top and not
known here.
"""

from __future__ import annotations

import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from unspool._core import CompiledStep, ModuleBase, Tensor
from unspool.nn.modules._registry import ChildRegistry, HookDict, Registry
from unspool.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from unspool.nn.modules.module import Module

_MODULE_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_SIDE_TABLES = (
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_MEMBERS = ("_parameters", "_buffers", "_modules")

# Called as hook(module, name, value) at every registration in the process; a result other than None replaces
# value.
registration_hooks: dict[str, OrderedDict[int, Callable[..., Any]]] = {
    "parameter": OrderedDict(),
    "buffer": OrderedDict(),
    "module": OrderedDict(),
}


def _mark_hooked(reference: Any) -> None:
    module = reference()
    if module is not None:
        object.__setattr__(module, "_hooked", True)


def _fits_buffer(value: Any) -> bool:
    """Whether a module may hold this as a buffer: a tensor, dense or sparse, or None."""
    return value is None or isinstance(value, Tensor) or getattr(type(value), "is_sparse", False) is True


class ModuleTree(ModuleBase):
    """A node that owns named parameters, buffers and further nodes.

    The classes that stand behind it in a class with several bases are not initialised by it, as in PyTorch:
    the class calls their ``__init__`` itself, or sets ``call_super_init`` to True.
    """

    call_super_init: bool = False
    training: bool
    _parameters: Registry[Parameter | None]
    _buffers: Registry[Tensor | None]
    _modules: Registry[Module | None]
    _non_persistent_buffers_set: set[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if (args or kwargs) and not self.call_super_init:
            raise TypeError(
                f"{type(self).__name__}: Module.__init__() takes no arguments, got "
                + ", ".join([*(type(a).__name__ for a in args), *(f"{k}=" for k in kwargs)])
            )
        attributes = self.__dict__
        attributes["training"] = True
        attributes["_parameters"] = Registry(self)
        attributes["_buffers"] = Registry(self)
        attributes["_modules"] = ChildRegistry(self)
        attributes["_non_persistent_buffers_set"] = set()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- attributes ------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only when ordinary lookup has failed: members are mirrored in __dict__, hook tables made on
        # demand.
        attributes = self.__dict__
        if name in _MODULE_HOOKS:
            attributes[name] = HookDict(functools.partial(_mark_hooked, weakref.ref(self)))
            return attributes[name]
        if name in _SIDE_TABLES:
            attributes[name] = OrderedDict()
            return attributes[name]
        for kind in _MEMBERS:
            members = attributes.get(kind)
            if members is not None and name in members:
                return members[name]
        if "_parameters" not in attributes and not name.startswith("__"):
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}'; Module.__init__() has not been "
                "called: "
                "call super().__init__() first in your __init__"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        kind = type(value)
        if kind is Parameter:
            self._set_parameter(name, value)
        elif isinstance(value, ModuleTree):
            self._forget(name, "_modules", "submodules")
            self._modules[name] = _announced("module", self, name, value)
        elif isinstance(value, Tensor) and kind is not Tensor and isinstance(value, (Parameter, Buffer)):
            # Also objects of other classes that are marked as one of the two.
            if isinstance(value, Parameter):
                self._set_parameter(name, value)
            else:
                self._forget(name, "_buffers", "buffers")
                self.register_buffer(name, value, value.persistent)
        elif name in _MEMBERS:
            self._replace_members(name, value)
        elif "_parameters" not in attributes:
            object.__setattr__(self, name, value)
        elif name in attributes["_parameters"]:
            if value is not None:
                raise self._wrong_member(name, value, "parameter", "unspool.nn.Parameter or None")
            attributes["_parameters"][name] = None
        elif name in attributes["_modules"]:
            if value is not None:
                raise self._wrong_member(name, value, "submodule", "unspool.nn.Module or None")
            attributes["_modules"][name] = None
        elif name in attributes["_buffers"]:
            if not _fits_buffer(value):
                raise self._wrong_member(name, value, "buffer", "unspool.Tensor or None")
            attributes["_buffers"][name] = _announced("buffer", self, name, value)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        attributes = self.__dict__
        for kind in _MEMBERS:
            members = attributes.get(kind)
            if members is not None and name in members:
                del members[name]
                if kind == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def _set_parameter(self, name: str, value: Any) -> None:
        self._forget(name, "_parameters", "parameters")
        self.register_parameter(name, value)

    def _forget(self, name: str, kind: str, plural: str) -> None:
        """Drops ``name`` from every place but registry ``kind``, where it is about to be stored."""
        attributes = self.__dict__
        if kind not in attributes:
            raise AttributeError(
                f"cannot assign {plural} before Module.__init__() call: "
                f"{type(self).__name__}.__init__ must call super().__init__() before it sets '{name}'"
            )
        for other in _MEMBERS:
            if other != kind:
                attributes[other].pop(name, None)
        if name not in attributes[kind]:
            attributes.pop(name, None)
        if kind != "_buffers":
            self._non_persistent_buffers_set.discard(name)

    def _replace_members(self, kind: str, entries: Any) -> None:
        """``module._parameters = {...}``: the new entries take the place of the old ones, mirror included."""
        attributes = self.__dict__
        old = attributes.get(kind)
        if old is entries:
            return
        if old is not None:
            old.clear()
        registry = ChildRegistry if kind == "_modules" else Registry
        attributes[kind] = registry(self, entries.items())

    def _wrong_member(self, name: str, value: Any, kind: str, expected: str) -> TypeError:
        return TypeError(
            f"cannot assign '{type(value).__name__}' as {kind} '{name}' of {type(self).__name__} ({expected} "
            "expected)"
        )

    # -- registering -----------------------------------------------------------------------------------

    def _check_name(self, call: str, kind: str, name: str) -> None:
        if kind not in self.__dict__:
            raise AttributeError(
                f"cannot assign {kind[1:]} before Module.__init__() call: "
                f"{type(self).__name__}.__init__ must call super().__init__() first"
            )
        if not isinstance(name, str):
            raise TypeError(f"{call}: the name must be a string, got {type(name).__name__}")
        if "." in name:
            raise KeyError(
                f'{call}: the name can\'t contain ".", got {name!r}: dots separate levels of the module tree'
            )
        if name == "":
            raise KeyError(f'{call}: the name can\'t be empty string ""')
        attributes = self.__dict__
        if name not in attributes[kind] and (name in attributes or hasattr(type(self), name)):
            raise KeyError(f"{call}: attribute '{name}' already exists in {type(self).__name__}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, readable as ``module.<name>``; None reserves the name only.

        Raises:
            TypeError: the name is not a string, or ``param`` neither a Parameter nor None.
            KeyError: the name is empty, holds a dot, or is taken.
            ValueError: ``param`` was computed (has a history): parameters are leaves.
            AttributeError: ``Module.__init__`` has not been called.
        """
        self._check_name("register_parameter", "_parameters", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(unspool.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"register_parameter: cannot assign non-leaf Tensor to parameter '{name}': a parameter must "
                "be created "
                "by the user. To express it as a function of another tensor, compute it in forward()"
            )
        self._parameters[name] = _announced("parameter", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the module's state but is not trained, readable as ``module.<name>``.

        Args:
            name: attribute name.
            tensor: values of any shape and dtype, or None.
            persistent: whether ``state_dict()`` holds it.

        Raises:
            TypeError, KeyError, AttributeError: as ``register_parameter``.
        """
        self._check_name("register_buffer", "_buffers", name)
        if not _fits_buffer(tensor):
            raise TypeError(
                f"register_buffer: cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(unspool.Tensor or None required)"
            )
        self._buffers[name] = _announced("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule, readable as ``module.<name>``.

        Raises:
            TypeError, KeyError, AttributeError: as ``register_parameter``.
        """
        self._check_name("add_module", "_modules", name)
        if module is not None and not isinstance(module, ModuleTree):
            raise TypeError(f"add_module: {type(module).__name__} is not a Module subclass")
        self._modules[name] = _announced("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of ``add_module``."""
        self.add_module(name, module)

    # -- walking ---------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yields (dotted name, module) for this module and all below it, parents first, each module once.

        Args:
            memo: modules to leave out; the modules found are added to it.
            prefix: put before every name.
            remove_duplicate: False yields a module that is registered twice under both names.
        """
        seen: set[Any] = set() if memo is None else memo
        pending: list[tuple[str, Any]] = [(prefix, self)]
        while pending:
            path, module = pending.pop()
            if remove_duplicate:
                if module in seen:
                    continue
                seen.add(module)
            yield path, module
            children = [
                (f"{path}.{k}" if path else k, m) for k, m in module._modules.items() if m is not None
            ]
            pending.extend(reversed(children))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yields this module and all below it, parents first, each module once."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yields (name, module) for the direct submodules, each module once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yields the direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        get_members_fn: Callable[[Any], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        nodes: Any = [(prefix, self)]
        if recurse:
            nodes = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in nodes:
            for name, member in get_members_fn(module):
                if member is None:
                    continue
                if remove_duplicate:
                    if id(member) in seen:
                        continue
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yields (dotted name, parameter), in order of registration, each parameter once.

        Args:
            prefix: put before every name.
            recurse: False keeps to the direct members of this module.
            remove_duplicate: False yields a shared parameter under each of its names.
        """
        return self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields the parameters, each once; what an optimizer is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields (dotted name, buffer), in order of registration, each buffer once."""
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yields the buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # -- by dotted name --------------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The module at the dotted path ``target``; this module for the empty path.

        Raises:
            AttributeError: some name on the way does not exist or is not a module; the message says which.
        """
        module: Any = self
        walked: list[str] = []
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                at = ".".join(walked)
                where = f"{type(module).__name__} at '{at}'" if at else type(module).__name__
                raise AttributeError(f"get_submodule({target!r}): {where} has no attribute `{name}`")
            module = getattr(module, name)
            walked.append(name)
            if not isinstance(module, ModuleTree):
                raise AttributeError(
                    f"get_submodule({target!r}): `{'.'.join(walked)}` is not an nn.Module but "
                    f"{type(module).__name__}"
                )
        return module  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts ``module`` at the dotted path ``target``.

        Args:
            target: dotted path; all but its last name must exist.
            module: the module to put there.
            strict: True requires that a module stands there already.

        Raises:
            ValueError: the path is empty.
            AttributeError: the path leads nowhere, or to something that is not a module.
        """
        if not target:
            raise ValueError("set_submodule: cannot set the submodule without a target name")
        if not isinstance(module, ModuleTree):
            raise ValueError(f"set_submodule({target!r}): expected an nn.Module, got {type(module).__name__}")
        prefix, _, name = target.rpartition(".")
        parent = self.get_submodule(prefix)
        if strict and not hasattr(parent, name):
            raise AttributeError(
                f"set_submodule({target!r}): {type(parent).__name__} has no attribute `{name}`"
            )
        if hasattr(parent, name) and not isinstance(getattr(parent, name), ModuleTree):
            raise AttributeError(f"set_submodule({target!r}): `{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _member_at(self, call: str, kind: str, target: str, what: str) -> Any:
        prefix, _, name = target.rpartition(".")
        module = self.get_submodule(prefix)
        if not hasattr(module, name):
            raise AttributeError(f"{call}({target!r}): {type(module).__name__} has no attribute `{name}`")
        if name not in getattr(module, kind):
            raise AttributeError(f"{call}({target!r}): `{name}` is not {what}")
        return getattr(module, kind)[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path ``target``.

        Raises:
            AttributeError: there is none; the message says where the path ends.
        """
        parameter: Parameter = self._member_at("get_parameter", "_parameters", target, "an nn.Parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the dotted path ``target``.

        Raises:
            AttributeError: there is none; the message says where the path ends.
        """
        return self._member_at("get_buffer", "_buffers", target, "a buffer")  # type: ignore[no-any-return]

    # -- copying and pickling --------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if isinstance(state.get("forward"), CompiledStep):
            del state["forward"]  # it holds on to this module, and to its programs
        for kind in _MEMBERS:
            members = state.get(kind)
            if members is not None:
                state[kind] = dict(members)
                for name in members:
                    state.pop(name, None)
        for table in _MODULE_HOOKS:
            if table in state:
                state[table] = OrderedDict(state[table])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        plain = dict(state)
        members = {kind: plain.pop(kind, {}) for kind in _MEMBERS}
        hooks = {table: plain.pop(table, None) for table in _MODULE_HOOKS}
        self.__dict__.update(plain)
        self.__dict__.setdefault("training", True)
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        for kind, entries in members.items():
            self._replace_members(kind, entries)
        for table, entries in hooks.items():
            if entries:
                getattr(self, table).update(entries)


def _announced(kind: str, module: ModuleTree, name: str, value: Any) -> Any:
    """``value`` after the process-wide registration hooks have seen it."""
    for hook in registration_hooks[kind].values():
        replacement = hook(module, name, value)
        if replacement is not None:
            value = replacement
    return value


Registry.usual_lookup = ModuleTree.__getattr__
