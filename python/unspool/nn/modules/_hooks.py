"""Hooks of a module: registering them, process-wide ones included, and the call that runs them.

A module without hooks never comes here: ``ModuleBase.__call__`` goes straight to ``forward``. The part of
backward hooks that lives on the tape is in ``_backward_hooks.py``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from unspool import _core
from unspool._warning import warn
from unspool.nn.modules._registry import HookDict, RemovableHandle
from unspool.nn.modules._tree import ModuleTree, registration_hooks

Hook = Callable[..., Any]


def _global_hook_arrived() -> None:
    _core.set_global_hooks(True)


# Process-wide hooks, by the name of the per-module table that they run before.
GLOBAL_HOOKS = {
    name: HookDict(_global_hook_arrived)
    for name in ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
}
GLOBAL_WITH_KWARGS: OrderedDict[int, bool] = OrderedDict()
GLOBAL_ALWAYS_CALLED: OrderedDict[int, bool] = OrderedDict()
_NO_HOOKS: dict[int, Any] = {}


def _add(hooks: Any, hook: Hook, prepend: bool = False, sides: Any = ()) -> RemovableHandle:
    """Stores ``hook``; ``sides`` are (table, whether the hook is marked there)."""
    handle = RemovableHandle(hooks, extra_dict=[table for table, _ in sides])
    hooks[handle.id] = hook
    for table, marked in sides:
        if marked:
            table[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class HookedModule(ModuleTree):
    """A module tree node whose call can be watched and altered."""

    # -- registering -----------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before every ``forward``.

        Args:
            hook: returns None, or the arguments to use instead (a single value stands for a tuple of one).
            prepend: run it before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs)``, which returns None or a tuple ``(args,
                kwargs)``.

        Returns:
            A handle whose ``remove()`` takes the hook away.
        """
        return _add(
            self._forward_pre_hooks, hook, prepend, [(self._forward_pre_hooks_with_kwargs, with_kwargs)]
        )

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after every ``forward``.

        Args:
            hook: returns None, or the output to use instead.
            prepend: run it before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it also when ``forward`` or another hook raised, with None for an output that is
                not there; what it then raises itself becomes a warning.

        Returns:
            A handle whose ``remove()`` takes the hook away.
        """
        sides = [
            (self._forward_hooks_with_kwargs, with_kwargs),
            (self._forward_hooks_always_called, always_call),
        ]
        return _add(self._forward_hooks, hook, prepend, sides)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` when the gradients of the module's outputs are known.

        The hook returns None, or a tuple of gradients to use instead. ``grad_output`` has one entry per
        output tensor, None where no gradient arrived.

        Returns:
            A handle whose ``remove()`` takes the hook away.
        """
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        The hook returns None, or a tuple of gradients to use in place of ``grad_input``. Both tuples have one
        entry per positional tensor argument or output tensor, None where there is no gradient.

        Returns:
            A handle whose ``remove()`` takes the hook away.
        """
        return _add(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Deprecated name of ``register_full_backward_hook``, which it calls."""
        warn(
            "register_backward_hook is deprecated: it registers a full backward hook; "
            "call register_full_backward_hook instead",
            FutureWarning,
        )
        return self.register_full_backward_hook(hook)

    # -- calling ---------------------------------------------------------------------------------------

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """``forward`` with everything that watches it; called by ``ModuleBase.__call__``."""
        if not self._settle_hook_flags():
            return self.forward(*args, **kwargs)
        output: Any = None
        called: set[int] = set()
        try:
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            gates = self._open_gates()
            if gates is not None:
                args = gates.watch_inputs(args)
            output = self.forward(*args, **kwargs)
            output = self._run_forward_hooks(args, kwargs, output, called)
            if gates is not None:
                output = gates.watch_outputs(output)
        except Exception:
            self._run_always_called(args, kwargs, output, called)
            raise
        return output

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def _settle_hook_flags(self) -> bool:
        """Whether any hook is left; clears the flags that led here where none is."""
        attributes = self.__dict__
        local = any(attributes.get(name) for name in GLOBAL_HOOKS)
        if not local:
            object.__setattr__(self, "_hooked", False)
        anywhere = any(GLOBAL_HOOKS.values())
        if not anywhere:
            _core.set_global_hooks(False)
        return local or anywhere

    def _hook_pairs(self, name: str, local_marks: str = "") -> list[tuple[int, Hook, bool]]:
        """(id, hook, wants kwargs), process-wide hooks first."""
        attributes = self.__dict__
        marks = attributes.get(local_marks, _NO_HOOKS)
        pairs = [(key, hook, key in GLOBAL_WITH_KWARGS) for key, hook in GLOBAL_HOOKS[name].items()]
        pairs += [(key, hook, key in marks) for key, hook in attributes.get(name, _NO_HOOKS).items()]
        return pairs

    def _run_forward_pre_hooks(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        for _, hook, with_kwargs in self._hook_pairs("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"):
            if with_kwargs:
                result = hook(self, args, kwargs)
                if result is None:
                    continue
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        "a forward pre-hook registered with_kwargs must return None or a tuple of "
                        f"(new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
            else:
                result = hook(self, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
        return args, kwargs

    def _run_forward_hooks(self, args: Any, kwargs: Any, output: Any, called: set[int]) -> Any:
        for key, hook, with_kwargs in self._hook_pairs("_forward_hooks", "_forward_hooks_with_kwargs"):
            called.add(key)
            result = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            if result is not None:
                output = result
        return output

    def _run_always_called(self, args: Any, kwargs: Any, output: Any, called: set[int]) -> None:
        """After an error: the hooks that are to run regardless and have not run yet."""
        local = self.__dict__.get("_forward_hooks_always_called", _NO_HOOKS)
        for key, hook, with_kwargs in self._hook_pairs("_forward_hooks", "_forward_hooks_with_kwargs"):
            if key in called or not (key in local or key in GLOBAL_ALWAYS_CALLED):
                continue
            try:
                result = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
                if result is not None:
                    output = result
            except Exception as error:
                warn(
                    f"{type(self).__name__}: a forward hook with always_call=True raised, after an error "
                    "that had "
                    f"already been raised: {error}",
                )

    def _open_gates(self) -> Any:
        """The tape's part of the backward hooks, or None where there are none."""
        attributes = self.__dict__
        pre = [
            *GLOBAL_HOOKS["_backward_pre_hooks"].values(),
            *attributes.get("_backward_pre_hooks", _NO_HOOKS).values(),
        ]
        full = [
            *GLOBAL_HOOKS["_backward_hooks"].values(),
            *attributes.get("_backward_hooks", _NO_HOOKS).values(),
        ]
        if not pre and not full:
            return None
        from unspool.nn.modules._backward_hooks import Gates

        return Gates(self, pre, full)


def _add_registration_hook(kind: str, hook: Hook) -> RemovableHandle:
    handle = RemovableHandle(registration_hooks[kind])
    registration_hooks[kind][handle.id] = hook
    return handle


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, args)`` before every module's ``forward`` and its own pre-hooks."""
    return _add(GLOBAL_HOOKS["_forward_pre_hooks"], hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after every module's ``forward``; options as for one module."""
    sides = [(GLOBAL_WITH_KWARGS, with_kwargs), (GLOBAL_ALWAYS_CALLED, always_call)]
    return _add(GLOBAL_HOOKS["_forward_hooks"], hook, False, sides)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, grad_output)`` for every module of the process; see ``Module``'s method."""
    return _add(GLOBAL_HOOKS["_backward_pre_hooks"], hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` for every module; see ``Module``'s method."""
    return _add(GLOBAL_HOOKS["_backward_hooks"], hook)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """Deprecated name of ``register_module_full_backward_hook``, which it calls."""
    return register_module_full_backward_hook(hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, name, parameter)`` at every registration; it may return a replacement."""
    return _add_registration_hook("parameter", hook)


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` at every registration; it may return a replacement."""
    return _add_registration_hook("buffer", hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` at every registration; it may return a replacement."""
    return _add_registration_hook("module", hook)
