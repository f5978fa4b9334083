"""``Optimizer``: parameter groups, state, hooks. What an update computes is a rule of the core.

A user's own optimizer subclasses ``Optimizer``, fills ``param_groups`` through ``super().__init__(params,
defaults)`` and defines ``step``.
"""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool._warning import warn
from unspool.nn.modules._registry import RemovableHandle
from unspool.optim._state import packed_state, unpacked_state

__all__ = [
    "Optimizer",
    "ParamsT",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Closure: TypeAlias = Callable[[], Any]


class _Required:
    """Marks a hyperparameter without a default: each parameter group must bring it."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

global_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_post_hooks: OrderedDict[int, Any] = OrderedDict()


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: tensors; or dicts, each with "params" and the hyperparameters of that group; or (name, tensor)
            pairs, for example ``module.named_parameters()``.
        defaults: hyperparameters of groups that do not set their own.

    Attributes:
        param_groups: list of dicts: "params" and one entry per hyperparameter. They may be edited between
            steps.
        state: per parameter, a dict of what the update rule keeps.
        defaults: as given.

    Raises:
        TypeError: ``params`` is a tensor, or holds something that is not one.
        ValueError: no parameters, a parameter twice, or one that was computed from others.
    """

    param_groups: list[dict[str, Any]]
    state: defaultdict[Any, Any]
    defaults: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]
        cls._why_not_alone = _why_not_alone(cls)
        cls._is_rule = cls._why_not_alone is None and cls.step_parameter is Optimizer.step_parameter

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self._make_hook_tables()
        self.defaults = defaults
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                "a Tensor: write [tensor]"
            )
        if not isinstance(params, Iterable):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}: write model.parameters()"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list (was the iterator used before?)")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hook_tables(self) -> None:
        self._optimizer_step_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()

    def _patch_step_function(self) -> None:
        """Does nothing: ``step`` runs its hooks from the definition of the class on."""

    # -- updating ---------------------------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Updates the parameters from their gradients.

        Args:
            closure: computes the loss anew and calls ``backward``; needed by few optimizers.

        Returns:
            What the closure returned, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def step_parameter(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Updates one parameter from its gradient; gradients are not recorded meanwhile.

        ``backward(step=optimizer)`` calls this for each parameter whose gradient is complete, in the order of
        the unwinding. The optimizers of this package that are rules of the core do without; an optimizer
        of your
        own that updates each parameter by itself can define it, and call it from ``step`` for each.

        Args:
            parameter: one of ``group["params"]``; its gradient is ``parameter.grad``.
            group: the parameter group.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step_parameter()")

    _why_not_alone: str | None = "the base class updates nothing"
    _is_rule = False  # whether rules of the core do what step_parameter() would
    _not_alone = "it does not define step_parameter(), which updates one parameter"

    def _rule_of(self, group: dict[str, Any]) -> str | None:
        """The name of the core's rule that updates this group, where there is one."""
        del group
        return None

    def _checked_step_parameter(self) -> Callable[..., Any] | None:
        """``step_parameter``, or None where a rule of the core does the same.

        Raises:
            NotImplementedError: parameters cannot be updated one by one.
        """
        why = self._why_not_alone
        if why is None:
            return None if self._is_rule else self.step_parameter
        raise NotImplementedError(
            f"backward(step=): {type(self).__name__} cannot update parameters one by one: {why}; call "
            "backward() and step() one after the other"
        )

    def _update(self, closure: Closure | None) -> Any:
        """One step of update rules of the core: all parameters of a group in one call."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            rule = self._rule_of(group)
            assert rule is not None
            _core.optim.step(rule, group, self.state)
        return loss

    def _update_each(self, closure: Closure | None) -> Any:
        """One step, parameter by parameter."""
        loss = self._evaluate(closure)
        with unspool.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter._grad is not None:
                        self.step_parameter(parameter, group)
        return loss

    @staticmethod
    def _evaluate(closure: Closure | None) -> Any:
        """The loss from ``closure``, recorded on the tape; None without one."""
        if closure is None:
            return None
        with unspool.enable_grad():
            return closure()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros where ``set_to_none`` is False."""
        for group in self.param_groups:
            if set_to_none:
                for parameter in group["params"]:
                    parameter.grad = None
                continue
            for parameter in group["params"]:
                gradient = parameter._grad
                if gradient is None:
                    parameter.grad = None  # also where it was used up
                else:
                    if gradient.grad_fn is not None:
                        gradient.detach_()
                    else:
                        gradient.requires_grad_(False)
                    gradient.zero_()

    # -- groups -----------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group: a dict with "params" and any hyperparameters; the rest come from ``defaults``.

        Raises:
            TypeError: not a dict, its parameters in a set (which has no order), or not tensors.
            ValueError: a required hyperparameter is missing, a parameter is in another group already, or was
                computed from others.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        param_group["params"] = self._checked_parameters(list(params), param_group)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        own = {id(parameter) for parameter in param_group["params"]}
        if len(own) != len(param_group["params"]):
            warn(
                "optimizer contains a parameter group with duplicate parameters; each of its occurrences is "
                "updated",
            )
        for group in self.param_groups:
            if ("param_names" in group and "param_names" not in param_group) or (
                "param_names" in param_group and "param_names" not in group
            ):
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    "cannot add param group with names to the optimizer"
                )
            if any(id(parameter) in own for parameter in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def _checked_parameters(self, params: list[Any], group: dict[str, Any]) -> list[Tensor]:
        """The tensors of a group; names that came along are stored in the group."""
        named = [isinstance(entry, tuple) for entry in params]
        if any(named) and not all(named):
            raise ValueError("all optimizer params should be with/without names; some names are missing")
        if any(named):
            group["param_names"] = [name for name, _ in params]
            params = [parameter for _, parameter in params]
        for parameter in params:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(parameter).__name__}"
                )
            if not (parameter.is_leaf or parameter.retains_grad):
                raise ValueError(
                    "can't optimize a non-leaf Tensor: one of the params was computed from others "
                    f"(grad_fn {parameter.grad_fn}); optimize what it was computed from, or its detach()"
                )
        return params

    # -- saving and loading ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything but the parameters' values.

        Returns:
            A dict: "state", per parameter number the dict of its state, and "param_groups", whose "params"
            are those numbers. The tensors are shared with the optimizer, not copied.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        result = packed_state(self.state, self.param_groups)
        for hook in self._optimizer_state_dict_post_hooks.values():
            replacement = hook(self, result)
            if replacement is not None:
                result = replacement
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over state and hyperparameters that ``state_dict`` returned; tensors are copied.

        Floating point state is converted to its parameter's dtype, ``step`` excepted.

        Raises:
            ValueError: the number of groups, or of parameters in one of them, differs.
        """
        loaded = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replacement = hook(self, loaded)
            if replacement is not None:
                loaded = replacement
        state, groups = unpacked_state(loaded, self.param_groups)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hook_tables()
        self.__dict__.setdefault("defaults", {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimizer:
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        result.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return result

    # -- hooks ------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` before each step; it may return new (args, kwargs)."""
        return _keep(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` after each step."""
        return _keep(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer)`` before ``state_dict`` collects."""
        return _keep(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` at the end of ``state_dict``; it may return another one."""
        return _keep(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` before ``load_state_dict``; it may return another one."""
        return _keep(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer)`` after ``load_state_dict``."""
        return _keep(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines += ["", f"Parameter Group {i}"]
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return f"{type(self).__name__} (" + "\n".join(lines) + "\n)"


def _keep(hooks: OrderedDict[int, Any], hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(optimizer, args, kwargs)`` before each step of every optimizer."""
    return _keep(global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(optimizer, args, kwargs)`` after each step of every optimizer."""
    return _keep(_global_post_hooks, hook)


def _why_not_alone(kind: type[Optimizer]) -> str | None:
    """Why optimizers of this class cannot update parameters one by one; None where they can."""

    def definer(name: str) -> type:
        return next(each for each in kind.__mro__ if name in each.__dict__)

    own, step = definer("step_parameter"), definer("step")
    source = own if own is not Optimizer else definer("_rule_of")
    if source is Optimizer:
        return kind._not_alone
    if step is not source and issubclass(step, source):
        return f"{step.__name__} changes step() without saying, in step_parameter(), what that does to one"
    return None


def refuse_pre_hook(optimizer: Optimizer) -> NoReturn:
    """Such hooks want to see all gradients before the step: there is no such moment."""
    raise RuntimeError(
        f"backward(step=): {type(optimizer).__name__} has a step pre-hook (register_step_pre_hook), "
        "which runs when all gradients are there; while the tape is unwound they never are. Remove it, "
        "or call backward() and step() one after the other"
    )


def after_unwinding(optimizer: Optimizer) -> None:
    """What follows a step."""
    optimizer.__dict__["_opt_called"] = True
    own = optimizer._optimizer_step_post_hooks
    if own or _global_post_hooks:
        for hook in [*own.values(), *_global_post_hooks.values()]:
            hook(optimizer, (), {})


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the step hooks around it, which run once where a step calls that of its base class."""

    @functools.wraps(step)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        attributes = self.__dict__
        attributes["_opt_called"] = True  # read by learning-rate schedules, which come after the first step
        pre = attributes.get("_optimizer_step_pre_hooks")
        post = attributes.get("_optimizer_step_post_hooks")
        if not (pre or post or global_pre_hooks or _global_post_hooks) or type(self).step is not hooked:
            return step(self, *args, **kwargs)
        for hook in [*global_pre_hooks.values(), *(pre or {}).values()]:
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
        outcome = step(self, *args, **kwargs)
        for hook in [*(post or {}).values(), *_global_post_hooks.values()]:
            hook(self, args, kwargs)
        return outcome

    return hooked
