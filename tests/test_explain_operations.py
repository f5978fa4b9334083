"""Every differentiable operation of the reference can be explained and drawn, and its lines are true."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from test_explain import FUNCTIONS, number_of
from test_gradients import DIFFERENTIABLE, differentiable_outputs, tensors_of

import unspool as us
from harness import draws, registry
from reference import ROWS

# They return their argument, so that there is nothing to record.
UNRECORDED = ["contiguous", "positive"]
RECORDED = [name for name in DIFFERENTIABLE if name not in UNRECORDED]
MORE: dict[str, Any] = {
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tan": np.tan, "arsinh": np.arcsinh, "arcosh": np.arccosh, "artanh": np.arctanh, "floor": np.floor,
    "trunc": np.trunc, "ceil": np.ceil, "round": np.round, "log2": np.log2, "log10": np.log10,
    "logical_not": np.logical_not,
}  # fmt: skip

# Their formulas leave something out: the quadrant, and where a factor is zero.
ROUGH = {"atan2", "prod.with_zeros"}

# Words: the name of an operation, an input without a gradient, a number of elements, a constant.
OPERATIONS = {name for record in registry() for name in (record["name"], record["python_name"])}
CONSTANT = re.compile(r"[xc]\d*|n|const")


def result_and_leaves(name: str) -> tuple[Any, list[Any]]:
    row = ROWS[name]
    tensors, leaves = tensors_of(row, draws(row, "float64")[0])
    results = differentiable_outputs(row, tensors)
    return results[0], leaves


@pytest.mark.parametrize("name", UNRECORDED)
def test_what_returns_its_argument_is_not_recorded(name: str) -> None:
    result, (leaf,) = result_and_leaves(name)
    assert result.grad_fn is None
    assert result.data_ptr() == leaf.data_ptr()


@pytest.mark.parametrize("name", RECORDED)
def test_operation_can_be_explained_and_drawn(name: str) -> None:
    result, leaves = result_and_leaves(name)
    explanation = us.explain(result)
    seed = us.ones_like(result)
    found = us.autograd.grad(result, leaves, seed, retain_graph=True, allow_unused=True)
    slopes = {line.split(" ")[0] for line in explanation.lines() if line.startswith("dL/d")}
    assert len(slopes) >= sum(gradient is not None for gradient in found)
    latex = explanation.latex()
    assert latex.count("{") == latex.count("}")
    assert explanation.markdown().count("$") % 2 == 0
    assert explanation.html().count("<tr>") == explanation.html().count("</tr>")
    assert us.draw(result).source.endswith("}")


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in ROUGH])
def test_what_is_printed_is_true_or_in_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for function, in_numpy in MORE.items():
        monkeypatch.setitem(FUNCTIONS, function, in_numpy)
    result, leaves = result_and_leaves(name)
    named = {f"p{i}": leaf for i, leaf in enumerate(leaves)}
    seed = us.ones_like(result)
    found = us.autograd.grad(result, leaves, seed, retain_graph=True, allow_unused=True)
    explanation = us.explain(result, names=named)
    blocks = explanation.blocks
    values = {key: leaf.detach().numpy() for key, leaf in named.items()}
    flowed: dict[str, Any] = {"L": np.ones(result.shape)}
    try:
        for block in reversed(blocks):
            values[block.forward.left.name] = number_of(block.forward.right, values, {})
        for line in [line for block in blocks for line in block.backward]:
            part = number_of(line.right, values, flowed)
            if part.size == 1:
                part = part.reshape(())
            if part.ndim <= len(line.left.shape):
                part = np.broadcast_to(part, line.left.shape)
            part = part.reshape(line.left.shape)  # without leading dimensions of size 1
            flowed[line.left.of] = flowed[line.left.of] + part if line.adds else part
    except KeyError as unknown:
        (word,) = unknown.args
        assert word in str(explanation)
        assert word in OPERATIONS or CONSTANT.fullmatch(word), f"{word} is neither computed here nor in words"
        return
    close = {"rtol": 1e-9, "atol": 1e-12, "equal_nan": True}
    computed = values["L"].reshape(()) if values["L"].size == 1 else values["L"]
    assert np.allclose(np.broadcast_to(computed, result.shape), result.detach().numpy(), **close)
    for key, gradient in zip(named, found, strict=True):
        if gradient is not None:
            assert np.allclose(flowed[key], gradient.numpy(), **close), key
