"""Every differentiable operation of the reference can be explained and drawn, and its lines are true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_explain import FUNCTIONS, number_of
from test_gradients import DIFFERENTIABLE, differentiable_outputs, tensors_of

import unspool as us
from harness import draws
from reference import ROWS

by_row = pytest.mark.parametrize("name", DIFFERENTIABLE)

MORE: dict[str, Any] = {
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tan": np.tan, "arsinh": np.arcsinh, "arcosh": np.arccosh, "artanh": np.arctanh, "floor": np.floor,
    "trunc": np.trunc, "ceil": np.ceil, "round": np.round, "log2": np.log2, "log10": np.log10,
}  # fmt: skip

# Their formulas leave something out: the quadrant, and where a factor is zero.
ROUGH = {"atan2", "prod.with_zeros"}


def result_and_leaves(name: str) -> tuple[Any, list[Any]]:
    row = ROWS[name]
    tensors, leaves = tensors_of(row, draws(row, "float64")[0])
    results = differentiable_outputs(row, tensors)
    if not results or results[0].grad_fn is None:
        pytest.skip("its result is not recorded")
    return results[0], leaves


@by_row
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


@by_row
def test_what_is_printed_is_true(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in ROUGH:
        pytest.skip("its formula leaves something out")
    for function, in_numpy in MORE.items():
        monkeypatch.setitem(FUNCTIONS, function, in_numpy)
    result, leaves = result_and_leaves(name)
    named = {f"p{i}": leaf for i, leaf in enumerate(leaves)}
    seed = us.ones_like(result)
    found = us.autograd.grad(result, leaves, seed, retain_graph=True, allow_unused=True)
    blocks = us.explain(result, names=named).blocks
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
    except KeyError as words:
        pytest.skip(f"{words} is in words")
    close = {"rtol": 1e-9, "atol": 1e-12, "equal_nan": True}
    computed = values["L"].reshape(()) if values["L"].size == 1 else values["L"]
    assert np.allclose(np.broadcast_to(computed, result.shape), result.detach().numpy(), **close)
    for key, gradient in zip(named, found, strict=True):
        if gradient is not None:
            assert np.allclose(flowed[key], gradient.numpy(), **close), key
