"""What a step takes for granted about Python's objects, so that a replay that would be wrong is never run.

Found by walking from the function: the variables that its code names, the modules, optimizers and other
objects in them, and their attributes. Attributes and variables count by identity, numbers and strings by
value.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from unspool._core import Tensor
from unspool.nn.modules.module import Module
from unspool.optim.optimizer import Optimizer

_DEPTH = 6  # of objects inside objects
_ITEMS = 256  # of a list or dict that is looked into
_LIBRARY = "unspool"
_ITERATORS = ("builtins", "itertools", "_io")  # modules whose iterators do not show where they stand


class Guards:
    """Collects entries of dicts, lengths, closure cells and tensors.

    Args:
        names: attributes that the code mentions; others of users' own objects are not looked at.
    """

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.entries: list[tuple[dict[Any, Any], Any, str]] = []
        self.lengths: list[tuple[Any, str]] = []
        self.cells: list[tuple[types.CellType, str]] = []
        self.tensors: list[Tensor] = []
        self.arrays: list[tuple[Any, str]] = []
        self.iterators: list[str] = []
        self.generators: list[tuple[Any, str]] = []
        self._seen: dict[int, Any] = {}

    def found(self) -> dict[str, Any]:
        """In the form that the core takes."""
        if "random" in self.names and "numpy" in sys.modules:
            importlib.import_module("numpy.random")  # NumPy imports it when it is first mentioned
        draws = Draws(self.generators)
        return {
            "entries": self.entries,
            "lists": self.lengths,
            "cells": self.cells,
            "tensors": self.tensors,
            "arrays": self.arrays,
            "before": self._refusal,
            "after": draws.refusal,
        }

    def _refusal(self) -> str:
        if not self.iterators:
            return ""
        return (
            f"the step reads the iterator {self.iterators[0]!r}, and a replay, running without Python, would "
            "not advance it: call next() outside of the step and pass what it gives as arguments"
        )

    def visit(self, value: Any, label: str, depth: int = 0) -> None:
        """Guards what can be reached from ``value``."""
        if value is None or isinstance(value, (bool, int, float, str, bytes, type, types.ModuleType)):
            return
        if id(value) in self._seen or depth > _DEPTH:
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self.tensors.append(value)
        elif isinstance(value, Module):
            self._module(value, label, depth)
        elif isinstance(value, Optimizer):
            self._optimizer(value, label)
        elif isinstance(value, Iterator) and type(value).__module__ in _ITERATORS:
            self.iterators.append(label)
        elif type(value).__module__.partition(".")[0] == "numpy":
            self._of_numpy(value, label)
        elif "random" in sys.modules and isinstance(value, sys.modules["random"].Random):
            self.generators.append((value.getstate, label))
        elif isinstance(value, types.MethodType):
            self.visit(value.__self__, label.rpartition(".")[0] or label, depth + 1)
            self.visit(value.__func__, label, depth + 1)
        elif isinstance(value, types.FunctionType):
            self._function(value, depth)
        elif isinstance(value, functools.partial):
            self.visit(value.func, label, depth + 1)
            self.visit(value.args, label, depth + 1)
            self.visit(value.keywords, label, depth + 1)
        elif isinstance(value, (list, tuple, dict)):
            self._container(value, label, depth)
        elif _has_state(type(value).__module__) and isinstance(getattr(value, "__dict__", None), dict):
            self._object(value, label, depth)

    def _of_numpy(self, value: Any, label: str) -> None:
        if isinstance(value, np.ndarray):
            self.arrays.append((value, label))
        elif hasattr(value, "bit_generator"):
            self.generators.append((lambda: repr(value.bit_generator.state), label))
        elif hasattr(value, "get_state"):
            self.generators.append((lambda: repr(value.get_state()), label))

    def _object(self, value: Any, label: str, depth: int) -> None:
        kind = type(value)
        if kind.__module__.startswith(_LIBRARY):
            self._entries(value.__dict__, label + ".", depth)
            return
        for name in self.names.intersection(dir(kind)):
            self.visit(inspect.getattr_static(kind, name), label, depth)
        mentioned = {name: each for name, each in value.__dict__.items() if name in self.names}
        for name, each in mentioned.items():
            self.entries.append((value.__dict__, name, f"{label}.{name}"))
            self.visit(each, f"{label}.{name}", depth + 1)

    def _entries(self, table: dict[Any, Any], label: str, depth: int) -> None:
        for key, value in list(table.items()):
            name = f"{label}{key}" if label.endswith(".") else f"{label}[{key!r}]"
            self.entries.append((table, key, name))
            self.visit(value, name, depth + 1)

    def _module(self, module: Module, label: str, depth: int) -> None:
        self.lengths.append((module.__dict__, label))
        self._entries(module.__dict__, label + ".", depth - 1)
        if not type(module).__module__.startswith(_LIBRARY):
            self.visit(type(module).forward, label + ".forward", depth)

    def _optimizer(self, optimizer: Optimizer, label: str) -> None:
        if "_update" not in inspect.unwrap(type(optimizer).step).__code__.co_names:
            # Its step is Python: numbers and states are a part of the program.
            for i, group in enumerate(optimizer.param_groups):
                self._entries(group, f"{label}.param_groups[{i}]", 0)
            self.lengths.append((optimizer.state, f"{label}.state"))
            self._entries(optimizer.state, f"{label}.state", 0)
        # Otherwise what a group holds is read at each replay, but for the norm that backward(step=) keeps
        # there.
        for group in optimizer.param_groups[:1]:
            self.entries.append((group, "grad_norm", f"{label}.param_groups[0]['grad_norm']"))
        for name in ("param_groups", "state"):
            self.entries.append((optimizer.__dict__, name, f"{label}.{name}"))
        self.lengths.append((optimizer.param_groups, f"{label}.param_groups"))
        for i, group in enumerate(optimizer.param_groups):
            self.entries.append((group, "params", f"{label}.param_groups[{i}]['params']"))
            self.lengths.append((group["params"], f"{label}.param_groups[{i}]['params']"))

    def _container(self, value: Any, label: str, depth: int) -> None:
        if not isinstance(value, tuple):
            self.lengths.append((value, label))
        if len(value) > _ITEMS:
            return
        if isinstance(value, dict):
            self._entries(value, label, depth)
            return
        for i, item in enumerate(value):
            self.visit(item, f"{label}[{i}]", depth + 1)

    def _function(self, function: types.FunctionType, depth: int) -> None:
        if function.__module__ and function.__module__.partition(".")[0] == _LIBRARY:
            return
        self.names.update(_global_names(function.__code__))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self.cells.append((cell, f"variable {name!r}"))
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            self.visit(value, name, depth + 1)
        for name in _global_names(function.__code__):
            table = function.__globals__
            if name not in table and hasattr(builtins, name):
                continue
            self.entries.append((table, name, f"variable {name!r}"))
            self.visit(table.get(name), name, depth + 1)
        self.visit(function.__defaults__, "default value", depth + 1)
        self.visit(function.__kwdefaults__, "default value", depth + 1)


class Draws:
    """Whether random numbers are drawn in Python while a step runs.

    Args:
        generators: functions that give the states of generators which the step can reach, and their names.
    """

    def __init__(self, generators: list[tuple[Callable[[], Any], str]]) -> None:
        self._sources = [*generators, *_common_generators()]
        self._before = [state() for state, _ in self._sources]
        self._is_numpy_watched = "numpy.random" in sys.modules

    def refusal(self) -> str:
        """Why there can be no program; empty when there can be one."""
        drawn = [
            label
            for (state, label), before in zip(self._sources, self._before, strict=True)
            if state() != before
        ]
        if not self._is_numpy_watched and (shared := sys.modules.get("numpy.random")) is not None:
            # It was imported by the step. A generator that has just been seeded is at the end of its block.
            position, fresh = (
                each.get_state(legacy=False)["state"]["pos"] for each in (shared, shared.RandomState())
            )
            drawn += ["numpy.random"] if position != fresh else []
        if not drawn:
            return ""
        return (
            f"the step drew random numbers from {drawn[0]}, and like all that is made from Python data "
            "they would be the same at each replay: draw them with unspool (rand(), randint(), "
            "randperm()), or outside of the step and pass them as arguments"
        )


def _common_generators() -> Iterator[tuple[Callable[[], Any], str]]:
    # Whoever draws from them has imported them; they are not imported for this.
    if (plain := sys.modules.get("random")) is not None:
        yield plain.getstate, "Python's random module"
    if (shared := sys.modules.get("numpy.random")) is not None:
        yield lambda: repr(shared.get_state(legacy=False)["state"]), "numpy.random"


def _has_state(module: str) -> bool:
    """Whether objects of a class from this module may be read by a step: users' own, and schedules."""
    return module.partition(".")[0] != _LIBRARY or module.startswith("unspool.optim.")


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def collect(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The guards of a call."""
    label = getattr(function, "__name__", "function")
    data = [
        value for value in (*args, *kwargs.values()) if not isinstance(value, (Tensor, list, tuple, dict))
    ]
    names: set[str] = set()
    while True:  # until the code that was found mentions nothing new
        guards = Guards(set(names))
        guards.visit(function, label)
        for value in data:
            guards.visit(value, "argument")
        if guards.names == names:
            return guards.found()
        names = guards.names
