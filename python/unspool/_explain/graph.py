"""A tape as plain data: its operations in forward order, the values between them, and their names."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from unspool import _core
from unspool._core import Node, Tensor
from unspool._records import records, tensor_arguments


@dataclass(eq=False)
class Value:
    """What an operation gave, or a leaf."""

    shape: tuple[int, ...]
    dtype: str
    leaf: Tensor | None = None
    is_leaf: bool = False
    uses: list[tuple[Operation, int]] = field(default_factory=list)
    name: str = ""


@dataclass(eq=False)
class Operation:
    """A node of the tape."""

    node: Node
    name: str  # of the record; of the node where it is no operation of the library
    scope: str
    record: dict[str, Any] | None
    attributes: dict[str, Any]
    saved: dict[int, Any]  # by place: input i at i, output i at -1 - i
    inputs: list[Value | None]
    outputs: list[Value]
    released: bool = False

    @property
    def title(self) -> str:
        """The name for people."""
        return self.record["python_name"] if self.record else self.name.removesuffix("Backward")

    def argument(self, i: int) -> str:
        """Name an argument."""
        if self.record is None:
            return f"input{i}"
        return tensor_arguments(self.record, len(self.inputs))[i]


def read_tape(root: Tensor, who: str) -> tuple[list[Operation], Value]:
    """List the operations that lead to a tensor, in forward order; also give the tensor's own value.

    Raises:
        TypeError: root is not a Tensor.
        RuntimeError: it was not recorded.
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"{who}: expected a Tensor that was computed from others, not {type(root).__name__}")
    if root.grad_fn is None:
        raise RuntimeError(
            f"{who}: the tensor was not computed from any that requires grad, so there is no tape to show"
        )
    nodes = _reachable(root.grad_fn)
    outputs = {
        node: [
            Value(shape, dtype.__name__, node.variable, node.sequence == 0)
            for shape, dtype in _core._node_outputs(node)
        ]
        for node in nodes
    }
    operations = [_operation(node, outputs) for node in nodes if node.sequence]
    operations.sort(key=lambda operation: operation.node.sequence)
    for operation in operations:
        for i, value in enumerate(operation.inputs):
            if value is not None:
                value.uses.append((operation, i))
    return operations, outputs[root.grad_fn][_core._output_number(root)]


def _reachable(root: Node) -> list[Node]:
    seen = {root}
    waiting = [root]
    for node in waiting:
        for following, _ in node.next_functions if node.sequence else ():
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return waiting


def _operation(node: Node, outputs: dict[Node, list[Value]]) -> Operation:
    inputs = [None if source is None else outputs[source][number] for source, number in node.next_functions]
    call = _core._inspect_node(node)
    if call is None:
        return Operation(node, node.name(), node.scope, None, {}, {}, inputs, outputs[node])
    record = records()[call["name"]]
    return Operation(
        node,
        call["name"],
        node.scope,
        record,
        call["attributes"],
        call["saved"],
        inputs,
        outputs[node],
        call["released"],
    )


# Names ----------------------------------------------------------------------------------------------------


def key_of(tensor: Tensor) -> tuple[Any, ...]:
    """Tell values in memory apart."""
    return (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype.__name__)


class Names:
    """What the program calls its tensors: given names, parameters of modules, variables of the caller."""

    def __init__(self, model: Any, given: Mapping[str, Tensor] | None, frame: types.FrameType | None) -> None:
        self._leaves: dict[int, str] = {}
        self._results: dict[tuple[Node, int], str] = {}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._held: list[Tensor] = []  # so that no other tensor gets the id of one of them
        for name, tensor in (given or {}).items():
            if not isinstance(tensor, Tensor):
                raise TypeError(f"explain: names[{name!r}] is a {type(tensor).__name__}, not a Tensor")
            self._add(name, tensor)
        if model is not None:
            self._add_module(model, "")
        variables = {} if frame is None else {**frame.f_globals, **frame.f_locals}
        found = {name: value for name, value in variables.items() if not name.startswith("_")}
        if model is None:
            for prefix, module in _outermost(found).items():
                self._add_module(module, prefix)
        for name, value in found.items():
            for path, tensor in _tensors_in(name, value):
                self._add(path, tensor)

    def _add_module(self, module: Any, prefix: str) -> None:
        for name, parameter in module.named_parameters(prefix=prefix):
            self._add(name, parameter)
        for name, buffer in module.named_buffers(prefix=prefix):
            self._add(name, buffer)

    def _add(self, name: str, tensor: Tensor) -> None:
        self._held.append(tensor)
        if tensor.grad_fn is not None:
            self._results.setdefault((tensor.grad_fn, _core._output_number(tensor)), name)
            return
        self._leaves.setdefault(id(tensor), name)
        if tensor.numel():
            self._constants.setdefault(key_of(tensor), name)

    def of_leaf(self, leaf: Tensor | None) -> str:
        """Name a leaf; "" if nothing is known."""
        return "" if leaf is None else self._leaves.get(id(leaf), "")

    def of_result(self, node: Node, number: int) -> str:
        """Name the result of an operation."""
        return self._results.get((node, number), "")

    def of_constant(self, tensor: Tensor) -> str:
        """Name a tensor that no gradient flows to."""
        return self._constants.get(key_of(tensor), "")


def _outermost(variables: dict[str, Any]) -> dict[str, Any]:
    """Find modules that are no part of another, by the prefix of their parameters; none for a single one."""
    from unspool.nn import Module

    modules = {name: value for name, value in variables.items() if isinstance(value, Module)}
    inner = {id(part) for module in modules.values() for part in module.modules() if part is not module}
    outer: dict[int, tuple[str, Any]] = {}
    for name, module in modules.items():
        if id(module) not in inner and any(True for _ in module.parameters()):
            outer.setdefault(id(module), (name, module))
    if len(outer) == 1:
        return {"": next(iter(outer.values()))[1]}
    return dict(outer.values())


def _tensors_in(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """List the tensors that a variable holds: itself, or in lists, tuples and dicts, two levels deep."""
    waiting = [(name, value, 0)]
    for path, each, depth in waiting:
        if isinstance(each, Tensor):
            yield path, each
        elif depth < 2 and isinstance(each, list | tuple) and len(each) <= 256:
            waiting += [(f"{path}[{i}]", item, depth + 1) for i, item in enumerate(each)]
        elif depth < 2 and type(each) is dict and len(each) <= 256:
            waiting += [
                (key if depth == 0 else f"{path}.{key}", item, depth + 1)
                for key, item in each.items()
                if isinstance(key, str)
            ]
