"""Modules under verification: after an unwinding, what flowed through each is compared as a whole.

The calls that ran in a module are repeated one after the other, each on what those before it gave, so that
they are a function of what entered the module: its inputs and parameters. Cotangents entered and left at its
border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unspool import _core
from unspool._core import Node, Tensor
from unspool._verify.case import Case, as_double, reduced

if TYPE_CHECKING:
    from unspool._verify.case import Array

Place: TypeAlias = tuple[Node, int]
"""A result: which node's, and which of its results."""


@dataclass(eq=False)
class Step:
    """A call that was unwound."""

    node: Node
    scope: str
    names: list[str]
    values: list[Any]
    function: Callable[[list[Any], bool], list[Tensor]]
    cotangents: list[Array | None]
    grads: list[Array | None]
    fixed: dict[int, Any]

    @property
    def sources(self) -> list[Place | None]:
        """Where each operand came from; None where no gradient flows."""
        return [None if node is None else (node, number) for node, number in self.node.next_functions]


class Unwound:
    """Everything that one unwinding has passed."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._opaque: set[str] = set()  # modules in which something ran that cannot be repeated

    def add(
        self,
        node: Node,
        case: Case | None,
        scope: str,
        cotangents: Sequence[Tensor | None],
        grads: Sequence[Tensor | None],
    ) -> None:
        """Note a call; without a case it can be neither repeated nor compared."""
        if case is None:
            self.leave_out(scope)
            return
        held = [None if each is None else as_double(each).copy() for each in cotangents]
        left = [None if each is None else as_double(each).copy() for each in grads]
        step = Step(node, scope, case.names, case.values, case.function, held, left, case.fixed)
        self._steps.append(step)

    def leave_out(self, scope: str) -> None:
        """Compare neither this module nor what it is part of."""
        self._opaque.update(_paths(scope))

    def cases(self) -> Iterator[tuple[Case, list[Tensor | None], list[Tensor | None]]]:
        """Give every module with what entered and left, innermost first; each set of calls once."""
        steps = sorted(self._steps, key=lambda step: step.node.sequence)
        paths = {path for step in steps for path in _paths(step.scope)}
        done: set[frozenset[int]] = set()
        for path in sorted(paths - self._opaque, key=lambda path: (-len(_paths(path)), path)):
            inside = [step for step in steps if path in _paths(step.scope)]
            members = frozenset(id(step) for step in inside)
            if len(inside) > 1 and members not in done:
                done.add(members)
                found = _Region(path, inside, steps).case()
                if found is not None:
                    yield found


def _paths(scope: str) -> list[str]:
    """List a module and those that it is part of; "" is the whole program."""
    parts = scope.split(".") if scope else []
    return ["", *(".".join(parts[: i + 1]) for i in range(len(parts)))]


class _Region:
    """The calls of one module, seen from its border."""

    def __init__(self, path: str, inside: list[Step], everything: list[Step]) -> None:
        self._path = path
        self._inside = inside
        self._nodes = {step.node for step in inside}
        self._everything = everything
        self._entries: list[tuple[Place, str, Any]] = []
        self._exits: list[Place] = []

    def case(self) -> tuple[Case, list[Tensor | None], list[Tensor | None]] | None:
        """Make the case; None where the cotangents at the border are not known."""
        arrived = self._arrived()
        if arrived is None:
            return None
        left = self._left()
        self._exits = list(arrived)
        names = [name for _, name, _ in self._entries]
        values = [value for _, _, value in self._entries]
        places = [i for i, (place, _, _) in enumerate(self._entries) if place in left]
        if not places or not self._exits:
            return None
        title = f"module '{self._path}'" if self._path else "all that was unwound"
        # What one call does another may undo, as a normalization does with scales: only rounding is left.
        case = Case(title, "", names, values, places, self._repeat, noise=1e-9)
        grads = [left.get(place) for place, _, _ in self._entries]
        return case, [_tensor(each) for each in arrived.values()], [_tensor(each) for each in grads]

    def _left(self) -> dict[Place, Array]:
        """Sum up what left for each source outside, and list the sources."""
        result: dict[Place, Array] = {}
        known: set[Place] = set()
        for step in self._inside:
            for i, place in enumerate(step.sources):
                if place is None or place[0] in self._nodes:
                    continue
                if place not in known:
                    known.add(place)
                    self._entries.append((place, self._name(step, i, place), step.values[i]))
                gradient = step.grads[i]
                if gradient is not None:
                    part = reduced(gradient, tuple(step.values[i].shape))
                    result[place] = result[place] + part if place in result else part
        return result

    def _name(self, step: Step, i: int, place: Place) -> str:
        inner = step.scope.removeprefix(self._path).removeprefix(".")
        if place[0].sequence:
            return f"{step.names[i]} of {step.node.name()}" + (f" in {inner}" if inner else "")
        return f"{inner}.{step.names[i]}" if inner else step.names[i]

    def _arrived(self) -> dict[Place, Array] | None:
        """Sum up what arrived at each result from outside."""
        flows: dict[Place, list[tuple[bool, Array]]] = {}
        for step in self._everything:
            for place, gradient, value in zip(step.sources, step.grads, step.values, strict=True):
                if place is not None and place[0] in self._nodes and gradient is not None:
                    part = reduced(gradient, tuple(value.shape))
                    flows.setdefault(place, []).append((step.node in self._nodes, part))
        result: dict[Place, Array] = {}
        for step in self._inside:
            for number, total in enumerate(step.cotangents):
                if total is None:
                    continue
                place = (step.node, number)
                parts = flows.get(place)
                if parts is None:
                    result[place] = total
                    continue
                if not np.allclose(
                    sum(part for _, part in parts), total, rtol=1e-3, atol=1e-3 * _size(total)
                ):
                    return None  # something else than calls stands between: a change of a region, a program
                outer = [part for is_inside, part in parts if not is_inside]
                if outer:
                    result[place] = np.asarray(sum(outer))
        return result

    def _repeat(self, arguments: list[Any], is_double: bool) -> list[Tensor]:
        known: dict[Place, Any] = {
            place: argument for (place, _, _), argument in zip(self._entries, arguments, strict=True)
        }
        for step in self._inside:
            operands = []
            for value, place in zip(step.values, step.sources, strict=True):
                if place is not None and place in known:
                    operands.append(known[place].clone())
                elif is_double and isinstance(value, Tensor) and value.is_floating_point():
                    operands.append(_core._cast(value, _core.float64))
                else:
                    operands.append(value.clone() if isinstance(value, Tensor) else value)
            for i, elements in step.fixed.items():
                operands[i][elements] = _core._cast(step.values[i][elements], operands[i].dtype)
            for number, result in enumerate(step.function(operands, is_double)):
                known[(step.node, number)] = result
        return [known[place] for place in self._exits]


def _size(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


def _tensor(values: Array | None) -> Tensor | None:
    return None if values is None else _core.from_numpy(np.ascontiguousarray(values).reshape(values.shape))
