"""``unspool.draw(loss)``: a tape as a picture, with modules as boxes around their operations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unspool._core import Tensor
from unspool._explain.expressions import Text
from unspool._explain.graph import Names, Operation, Value, key_of, read_tape
from unspool._graphviz import can_draw, quoted, svg_of

if TYPE_CHECKING:
    from unspool.nn import Module

__all__ = ["Drawing", "draw"]


def draw(loss: Tensor, model: Module | None = None, *, names: Mapping[str, Tensor] | None = None) -> Drawing:
    """Draw the tape that leads to a tensor: operations as boxes, parameters and data as ellipses.

    Edges carry shapes. Operations that ran inside of a module stand in a frame with its dotted path, and so
    do the parameters that they read. Data that needs no gradient is shown, dashed, where the tape kept it.

    Args:
        loss: any recorded tensor.
        model: whose parameters give leaves their names; by default the modules among the caller's variables.
        names: further names of tensors.

    Returns:
        A drawing: ``source`` is text in the DOT language; ``svg()`` and ``save()`` need Graphviz' program
        dot.

    Raises:
        TypeError: loss is not a Tensor.
        RuntimeError: it was not recorded.
    """
    operations, root = read_tape(loss, "draw")
    frame = inspect.currentframe()
    found = Names(model, names, frame.f_back if frame else None)
    return Drawing(_Writer(operations, root, found).source())


class Drawing:
    """A graph.

    Attributes:
        source: the graph in the DOT language.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def svg(self) -> str:
        """Give the picture as SVG.

        Raises:
            RuntimeError: Graphviz' program dot is not installed.
        """
        return svg_of(self.source, "draw")

    def save(self, path: str | Path) -> None:
        """Write the picture as SVG, or the source where the name ends in .dot or .gv."""
        is_source = Path(path).suffix in (".dot", ".gv")
        Path(path).write_text(self.source if is_source else self.svg(), encoding="utf-8")

    def _repr_svg_(self) -> str | None:
        return self.svg() if can_draw() else None

    def __repr__(self) -> str:
        return self.source


class _Frame:
    """A module: what stands in its frame, and the frames inside."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.inner: dict[str, _Frame] = {}

    def at(self, path: str) -> _Frame:
        frame = self
        for name in path.split(".") if path else []:
            frame = frame.inner.setdefault(name, _Frame())
        return frame

    def write(self, path: str, indent: str) -> list[str]:
        result = [indent + line for line in self.lines]
        for name, frame in self.inner.items():
            whole = f"{path}.{name}" if path else name
            result.append(f"{indent}subgraph {quoted('cluster_' + whole)} {{")
            result.append(f"{indent}  label={quoted(whole)}; style=rounded; color=gray60;")
            result += [*frame.write(whole, indent + "  "), indent + "}"]
        return result


class _Writer:
    def __init__(self, operations: list[Operation], root: Value, names: Names) -> None:
        self._names = names
        self._root = root
        self._modules = _Frame()
        self._edges: list[str] = []
        self._ids: dict[object, str] = {}
        self._maker: dict[Value, Operation] = {}
        for operation in operations:
            self._add(operation)

    def source(self) -> str:
        """Write the whole graph."""
        head = [
            "digraph tape {",
            "  rankdir=TB;",
            '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11];',
            '  edge [fontname="Helvetica", fontsize=9, color=gray40];',
        ]
        return "\n".join([*head, *self._modules.write("", "  "), *self._edges, "}"])

    def _add(self, operation: Operation) -> None:
        name = self._id(operation)
        label = operation.title
        for number in range(len(operation.outputs)):
            known = self._names.of_result(operation.node, number)
            label += f"\n{known}" if known else ""
        extra = ""
        if self._root in operation.outputs:
            label += f"\n{Text().shape(self._root.shape)}"
            extra = ", penwidth=2"
        self._modules.at(operation.scope).lines.append(f"{name} [label={quoted(label)}{extra}];")
        for i, value in enumerate(operation.inputs):
            if value is not None:
                source = self._leaf(operation, i, value) if value.is_leaf else self._id(self._maker[value])
                self._edge(source, name, value.shape)
            elif isinstance(operation.saved.get(i), Tensor):
                data = operation.saved[i]
                self._edge(self._data(operation, i, data), name, tuple(data.shape))
        for given in operation.outputs:
            self._maker[given] = operation

    def _id(self, key: object) -> str:
        return self._ids.setdefault(key, f"n{len(self._ids)}")

    def _edge(self, source: str, target: str, shape: tuple[int, ...]) -> None:
        self._edges.append(f"  {source} -> {target} [label={quoted(Text().shape(shape))}];")

    def _leaf(self, operation: Operation, i: int, value: Value) -> str:
        is_new = value not in self._ids
        name = self._id(value)
        if is_new:
            known = self._names.of_leaf(value.leaf) or operation.argument(i)
            style = "shape=ellipse, fillcolor=lightblue"
            self._modules.at(operation.scope).lines.append(f"{name} [label={quoted(known)}, {style}];")
        return name

    def _data(self, operation: Operation, i: int, data: Tensor) -> str:
        key = key_of(data)
        is_new = key not in self._ids
        name = self._id(key)
        if is_new:
            known = self._names.of_constant(data) or operation.argument(i)
            self._modules.lines.append(f'{name} [label={quoted(known)}, shape=ellipse, style="dashed"];')
        return name
