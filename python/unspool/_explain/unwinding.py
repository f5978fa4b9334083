"""From a tape to lines of mathematics.

The forward line of an operation is its record's formula. Its backward lines are not written down anywhere:
the rule is run under an emitter that keeps a list of the calls it makes, and their formulas are put together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from unspool import _core
from unspool._core import RecordedCall, Tensor
from unspool._explain.expressions import (
    Absent,
    Apply,
    Expression,
    Infix,
    Number,
    Slope,
    Sum,
    Symbol,
    Text,
    Transposed,
    broadcast,
    with_shape,
    write,
)
from unspool._explain.formula import NotArithmetic, read
from unspool._explain.graph import Names, Operation, Value, key_of
from unspool._records import records, tensor_arguments

_SAME_VALUES = ("input as dtype", "input broadcast to", "input, in the memory")


@dataclass
class Line:
    """left = right, or += where several uses of a value add to its cotangent."""

    left: Expression
    right: Expression
    adds: bool = False


@dataclass
class Block:
    """One operation: what it computed, and what its unwinding computes."""

    scope: str
    forward: Line
    backward: list[Line] = field(default_factory=list)


def _count(shape: Any) -> int:
    return math.prod(shape)


def _over(dims: Any, ndim: int) -> str:
    """Say in words which dimensions are summed over; "" for all."""
    if dims is None:
        return ""
    listed = sorted({(d + ndim) % ndim for d in ((dims,) if isinstance(dims, int) else dims)}) if ndim else []
    if not listed or len(listed) == ndim:
        return ""
    if ndim == 2:
        return ("rows", "columns")[listed[0]]
    return ",".join(str(d) for d in listed)


def formula_of(
    record: dict[str, Any],
    operands: list[Expression],
    attributes: dict[str, Any],
    in_shape: tuple[int, ...],
    shape: tuple[int, ...],
) -> Expression:
    """Write the record's formula in terms of the operands; as a function of them if it is in words."""
    formula = record["formula"]
    is_view = record["kind"] == "view"
    if formula.startswith(_SAME_VALUES) or (is_view and _broadcast_alike(in_shape, shape)):
        return operands[0]
    if is_view and isinstance(operands[0], Number):
        return with_shape(operands[0], shape)
    if is_view and shape == (*in_shape, 1) and len(shape) == 2:
        return Apply("column", (operands[0],), shape)
    if record["name"] in ("transpose", "permute", "t", "swapaxes") and len(shape) == 2:
        return _transposed(operands[0], attributes, shape)
    values: dict[str, Expression] = dict(zip(tensor_arguments(record, len(operands)), operands, strict=True))
    for name, value in attributes.items():
        if isinstance(value, int | float):
            values[name] = Number(float(value))
    if "n" not in values and shape != in_shape:
        values["n"] = Number(_count(in_shape) / max(_count(shape), 1))
    try:
        return with_shape(read(formula, values, _over(attributes.get("dim"), len(in_shape))), shape)
    except NotArithmetic:
        given = tuple(operand for operand in operands if not isinstance(operand, Absent))
        return Apply(record["python_name"], given, shape)


def _broadcast_alike(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Tell whether two shapes differ in leading dimensions of size 1 alone: they broadcast alike."""
    return a != b and _without_leading_ones(a) == _without_leading_ones(b)


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((d for d, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _transposed(operand: Expression, attributes: dict[str, Any], shape: tuple[int, ...]) -> Expression:
    stays = attributes.get("dims") in ((0, 1),) or (
        "dim0" in attributes and attributes["dim0"] % 2 == attributes["dim1"] % 2
    )
    if stays:
        return operand
    return _turned(operand, shape)


def _turned(operand: Expression, shape: tuple[int, ...] | None) -> Expression:
    """Transpose a matrix; a product factor by factor."""
    if isinstance(operand, Transposed):
        return operand.operand
    if isinstance(operand, Infix) and operand.operator == "·":
        return Infix("·", _turned(operand.right, None), _turned(operand.left, None), shape)
    return Transposed(operand, shape=shape)


class Unwinding:
    """Names the values of a tape and writes its blocks, last operation first."""

    def __init__(self, operations: list[Operation], root: Value, names: Names) -> None:
        self._names = names
        self._root = root
        self._taken: dict[str, object] = {}
        self._constants: dict[tuple[Any, ...], Symbol] = {}
        self._inlined: dict[Value, Expression] = {}
        self._forward: dict[Operation, Expression] = {}
        # dL/dL is 1, written out; where L is no number, it is whatever will be given.
        seed: Expression = Slope("L", root.shape) if root.shape else Number(1.0)
        self._cotangents: dict[Value, Expression] = {root: seed}
        self._layer = 0
        self._others = 0
        self._unnamed = 0
        for operation in operations:
            self._enter(operation)
        self.blocks = self._unwind(operations)

    # -- forward ---------------------------------------------------------------------------------------

    def _enter(self, operation: Operation) -> None:
        """Write an operation's forward line, and name what it gave."""
        operands = [self._operand(operation, i) for i in range(len(operation.inputs))]
        shape = operation.outputs[0].shape
        if operation.record is None:
            expression: Expression = Apply(operation.title, tuple(operands), shape)
        else:
            first = operation.inputs[0].shape if operation.inputs and operation.inputs[0] else shape
            expression = formula_of(operation.record, operands, operation.attributes, first, shape)
        self._forward[operation] = expression
        for number, value in enumerate(operation.outputs):
            self._name_result(operation, number, value, expression)

    def _operand(self, operation: Operation, i: int) -> Expression:
        value = operation.inputs[i]
        if value is not None:
            if value.is_leaf and not value.name:
                value.name = self._unique(self._leaf_name(operation, i, value), value)
            return self._expression(value)
        saved = operation.saved.get(i)
        if isinstance(saved, Tensor):
            return self._constant(saved)
        if saved is not None:
            return Number(float(saved))
        kinds = [arg["kind"] for arg in operation.record["args"]] if operation.record else []
        is_optional = i < len(kinds) and kinds[i].endswith("None")
        return Absent() if is_optional else Symbol("const")

    def _leaf_name(self, operation: Operation, i: int, value: Value) -> str:
        known = self._names.of_leaf(value.leaf)
        if known:
            return known
        argument = operation.argument(i)
        return f"{operation.scope}.{argument}" if operation.scope else argument

    def _constant(self, tensor: Tensor) -> Symbol:
        key = key_of(tensor)
        if key not in self._constants:
            name = self._names.of_constant(tensor)
            if not name:
                self._unnamed += 1
                name = "x" if "x" not in self._taken else f"c{self._unnamed}"
            self._constants[key] = Symbol(self._unique(name, key), tuple(tensor.shape))
        return self._constants[key]

    def _expression(self, value: Value) -> Expression:
        return self._inlined.get(value) or Symbol(value.name, value.shape)

    def _name_result(self, operation: Operation, number: int, value: Value, expression: Expression) -> None:
        known = self._names.of_result(operation.node, number)
        if value is self._root:
            value.name = self._unique("L", value)
        elif known:
            value.name = self._unique(known, value)
            if _is_affine(operation, expression):
                self._layer += 1
        elif number == 0 and _is_part(value, expression):
            self._inlined[value] = expression
        else:
            value.name = self._automatic(operation, value, expression)

    def _automatic(self, operation: Operation, value: Value, expression: Expression) -> str:
        """Choose z for affine maps, a for functions of one value, h for all else; numbered by layer."""
        if _is_affine(operation, expression):
            self._layer += 1
            return self._unique(f"z{self._layer}", value)
        source = operation.inputs[0] if operation.inputs else None
        if _is_activation(operation) and source is not None and source.name[:1] in ("z", "a"):
            return self._unique(f"a{self._layer}", value)
        self._others += 1
        return self._unique(f"h{self._others}", value)

    def _unique(self, name: str, owner: object) -> str:
        while self._taken.setdefault(name, owner) is not owner:
            name += "'"
        return name

    # -- backward --------------------------------------------------------------------------------------

    def _unwind(self, operations: list[Operation]) -> list[Block]:
        blocks: list[Block] = []
        block_of: dict[Operation, Block] = {}
        begun: set[Value] = {self._root}
        for operation in reversed(operations):
            value = operation.outputs[0]
            if value in self._inlined and value.uses:
                block = block_of[value.uses[-1][0]]
            else:
                left = Symbol(value.name, value.shape)
                block = Block(operation.scope, Line(left, self._forward[operation]))
                blocks.append(block)
            block_of[operation] = block
            for target, expression in self._rules(operation):
                self._arrive(target, expression, block, begun)
        return blocks

    def _arrive(self, target: Value, expression: Expression, block: Block, begun: set[Value]) -> None:
        """Note what flows to a value: as a line, or inside of the next one where the value has no name."""
        if target in self._inlined and len(target.uses) == 1:
            self._cotangents[target] = expression
            return
        block.backward.append(Line(self._slope(target), expression, target in begun))
        begun.add(target)

    def _slope(self, value: Value) -> Expression:
        name = value.name or write(self._inlined[value], Text())
        return Slope(name, value.shape)

    def _rules(self, operation: Operation) -> list[tuple[Value, Expression]]:
        """Find what flows to each input: run the rules and put the formulas of their calls together."""
        arrived = [self._cotangents.get(value) or self._slope(value) for value in operation.outputs]
        wanted = [(i, value) for i, value in enumerate(operation.inputs) if value is not None]
        if operation.record is None:
            return [(value, self._unknown(operation, i, value, arrived)) for i, value in wanted]
        seeds = [_core.ones(value.shape, dtype=getattr(_core, value.dtype)) for value in operation.outputs]
        recorder = _core.CallRecorder(True)
        with recorder:
            grads = _core._unwind_node(operation.node, seeds)
        calls = recorder.take()
        known = {key_of(seed): expression for seed, expression in zip(seeds, arrived, strict=True)}
        for place, saved in operation.saved.items():
            if isinstance(saved, Tensor):
                known[key_of(saved)] = self._saved(operation, place, saved)
        for call in calls:
            _note(call, known)
        result = []
        for i, value in wanted:
            gradient = grads[i]
            if gradient is not None:
                expression = known.get(key_of(gradient)) or self._unknown(operation, i, value, arrived)
                result.append((value, _fitted(expression, tuple(gradient.shape), value.shape)))
        return result

    def _saved(self, operation: Operation, place: int, saved: Tensor) -> Expression:
        value = operation.inputs[place] if place >= 0 else operation.outputs[-1 - place]
        return self._constant(saved) if value is None else self._expression(value)

    def _unknown(self, operation: Operation, i: int, value: Value, arrived: list[Expression]) -> Expression:
        name = f"{operation.title}.backward" + (f"[{i}]" if len(operation.inputs) > 1 else "")
        return Apply(name, tuple(arrived), value.shape)


def _note(call: RecordedCall, known: dict[tuple[Any, ...], Expression]) -> None:
    """Enter what a call inside of a rule gave."""
    operands: list[Expression] = []
    shapes: list[tuple[int, ...]] = []
    for operand in call.operands:
        if isinstance(operand, Tensor):
            shapes.append(tuple(operand.shape))
            operands.append(known.get(key_of(operand)) or Symbol("c", shapes[-1]))
        else:
            operands.append(Absent() if operand is None else Number(float(operand)))
    for number, output in enumerate(call.outputs):
        shape = tuple(output.shape)
        if call.name == "full" and isinstance(call.attributes.get("value"), int | float):
            expression: Expression = Number(float(call.attributes["value"]), shape)
        else:
            first = shapes[0] if shapes else ()
            expression = formula_of(records()[call.name], operands, call.attributes, first, shape)
        if number:
            expression = Apply(f"{call.name}[{number}]", tuple(operands), shape)
        known.setdefault(key_of(output), expression)


def _fitted(expression: Expression, from_shape: tuple[int, ...], shape: tuple[int, ...]) -> Expression:
    """Sum over the dimensions that broadcasting made."""
    if from_shape == shape or broadcast(from_shape, shape) == shape:
        return expression
    extra = len(from_shape) - len(shape)
    dims = [d for d in range(len(from_shape)) if d < extra or shape[d - extra] != from_shape[d]]
    if not dims:
        return expression
    return Sum(expression, _over(dims, len(from_shape)), shape=shape)


def _is_affine(operation: Operation, expression: Expression) -> bool:
    if operation.name.startswith("convolution"):
        return True
    if isinstance(expression, Infix) and expression.operator in "+-":
        return _is_product(expression.left) or _is_product(expression.right)
    return _is_product(expression)


def _is_product(expression: Expression) -> bool:
    return isinstance(expression, Infix) and expression.operator == "·"


def _is_part(value: Value, expression: Expression) -> bool:
    """Tell whether a value is better written where it is used: a product before its bias, a transpose."""
    if isinstance(expression, Transposed | Symbol):
        return bool(value.uses)
    if len(value.uses) != 1 or not _is_product(expression):
        return False
    return value.uses[0][0].name in ("add", "sub")


def _is_activation(operation: Operation) -> bool:
    if operation.record is None:
        return len(operation.inputs) == 1
    is_function = operation.record["kind"] in ("elementwise", "kernel") and len(operation.inputs) == 1
    return is_function and operation.outputs[0].shape == getattr(operation.inputs[0], "shape", None)
