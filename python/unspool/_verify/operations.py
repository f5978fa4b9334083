"""Calls of the library's own operations, as cases to verify."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from unspool import _core
from unspool._core import RecordedCall, Tensor
from unspool._records import records, tensor_arguments
from unspool._verify.case import Case


def whole_case(call: RecordedCall) -> Case | None:
    """Make the case of a call with all of its results; None where it cannot be repeated elsewhere."""
    record = records()[call.name]
    if any("Generator" in arg["kind"] for arg in record["args"]):
        return None
    operands = call.operands
    if call.name == "as_strided" and not operands[0].is_contiguous():
        return None
    names = tensor_arguments(record, len(operands))
    return Case(record["python_name"], call.scope, names, operands, [], call.run, _fixed(call))


def part_of(case: Case, cotangents: list[Tensor | None], grads: list[Tensor | None]) -> Case | None:
    """Narrow a case to what has just been unwound; None where there is nothing to compare.

    Its results are those that a cotangent has arrived for: others (statistics, say) may have no derivative.
    """
    operands = case.values
    places = [
        i
        for i, gradient in enumerate(grads)
        if gradient is not None and isinstance(operands[i], Tensor) and operands[i].is_floating_point()
    ]
    if not places:
        return None

    def function(arguments: list[Any], is_double: bool) -> list[Tensor]:
        results = zip(case.function(arguments, is_double), cotangents, strict=True)
        return [result for result, cotangent in results if cotangent is not None]

    return replace(case, places=places, function=function)


def _fixed(call: RecordedCall) -> dict[int, Any]:
    """List elements whose gradient is zero by definition: rows of embeddings that stand for nothing."""
    if call.name.startswith("embedding"):
        row = call.attributes.get("padding_idx")
        if row is not None and row >= 0:
            return {1 if call.operands[0].dtype is _core.int64 else 0: row}
    return {}
