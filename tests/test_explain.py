"""explain(): what it prints is the mathematics that is computed, with the names that the program uses."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import nn
from unspool._explain import expressions as e


def network() -> Any:
    return nn.Sequential(
        nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)
    )  # fmt: skip


def rows_of_text(text: str) -> list[str]:
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]


def test_layers_read_as_on_paper() -> None:
    W1, b1 = us.randn(4, 3, requires_grad=True), us.randn(4, 1, requires_grad=True)
    W2, b2 = us.randn(4, 4, requires_grad=True), us.randn(4, 1, requires_grad=True)
    X = us.randn(3, 5)
    z1 = W1 @ X + b1
    a1 = us.sigmoid(z1)
    z2 = W2 @ a1 + b2
    lines = rows_of_text(str(us.explain((z2**2).sum())))
    assert "dL/dW2 = dL/dz2 · a1ᵀ (4×4) = (4×5) · (5×4)" in lines
    assert "dL/da1 = W2ᵀ · dL/dz2 (4×5) = (4×4) · (4×5)" in lines
    assert "dL/dz1 = dL/da1 ⊙ a1 ⊙ (1 - a1) (4×5) = (4×5) ⊙ (4×5) ⊙ (4×5)" in lines
    assert "dL/db1 = Σ_columns dL/dz1 (4×1) = Σ_columns (4×5)" in lines
    assert "z1 = W1 · X + b1 (4×5) = (4×3) · (3×5) + (4×1)" in lines


def test_parameters_are_called_as_in_the_state_dict_and_layers_are_numbered() -> None:
    loss = network()(us.randn(5, 3)).sum()
    model = nn.ModuleDict({"other": nn.Linear(2, 2)})
    del model
    text = str(us.explain(loss))
    assert "-- 0 --" in text
    assert "z2 = a1 · 2.weightᵀ + 2.bias" in text
    assert "dL/d(2.weight) = dL/dz2ᵀ · a1" in text


def test_several_models_are_told_apart_and_one_can_be_named() -> None:
    front, back = nn.Linear(3, 4), nn.Linear(4, 2)
    loss = back(us.tanh(front(us.randn(5, 3)))).sum()
    assert "dL/d(back.weight) =" in str(us.explain(loss))
    assert "dL/d(front.bias) =" in str(us.explain(loss))
    assert "dL/dbias = Σ_rows" in str(us.explain(loss, back))
    V = dict(back.named_parameters())["weight"]
    assert "dL/dV =" in str(us.explain(loss, names={"V": V}))
    with pytest.raises(TypeError, match="is a int, not a Tensor"):
        us.explain(loss, names={"V": 3})  # type: ignore[dict-item]


def test_values_used_twice_get_sums() -> None:
    y = us.randn(4, requires_grad=True) * 2
    lines = us.explain((y * y + y).sum()).lines()
    assert sum(line.startswith("dL/dy = ") for line in lines) == 1
    assert sum(line.startswith("dL/dy += ") for line in lines) == 2


def test_constants_and_unknown_operations_are_shown() -> None:
    class Cube(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = us.randn(4, requires_grad=True)
    mask = us.tensor([1.0, 0.0, 1.0, 0.0])
    lines = us.explain((Cube.apply(x) * mask).sum()).lines()
    assert "h1 = Cube(x)" in lines
    assert "dL/dx = Cube.backward(dL/dh1)" in lines
    assert "dL/dh1 = dL/dh2 ⊙ mask" in lines


def test_forms_for_documents_and_notebooks() -> None:
    model = network()
    explanation = us.explain(model(us.randn(5, 3)).sum())
    assert repr(explanation) == str(explanation)
    latex = explanation.latex()
    assert latex.startswith("\\begin{aligned}")
    assert r"\partial \mathrm{2.weight}} &= {\frac{\partial L}{\partial z_{2}}}^{\top} \cdot a_{1}" in latex
    assert latex.count("{") == latex.count("}")
    assert explanation._repr_latex_() == f"$\\displaystyle {latex}$"
    markdown = explanation._repr_markdown_()
    assert markdown.count("$") == 2 * len(explanation.lines())
    html = explanation._repr_html_()
    assert "dL/dz<sub>2</sub>" in html
    assert html.count("<tr>") == html.count("</tr>")
    sides = nn.functional.threshold(us.randn(3, requires_grad=True), 0.1, 20.0)
    assert "&gt;" in us.explain(sides.sum()).html()


def test_nothing_is_changed() -> None:
    model = network()
    loss = model(us.randn(5, 3)).sum()
    before = us.get_rng_state().tolist()
    first = str(us.explain(loss))
    assert str(us.explain(loss)) == first
    assert us.get_rng_state().tolist() == before
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()


def test_what_cannot_be_explained() -> None:
    with pytest.raises(
        TypeError, match="explain: expected a Tensor that was computed from others, not float"
    ):
        us.explain(1.0)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="there is no tape to show"):
        us.explain(us.ones(3, requires_grad=True))
    loss = (us.ones(3, requires_grad=True) ** 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"freed by backward\(\); call explain first"):
        us.explain(loss)


# The equations, computed ----------------------------------------------------------------------------------

FUNCTIONS: dict[str, Any] = {
    "exp": np.exp, "ln": np.log, "max": np.maximum, "min": np.minimum, "tanh": np.tanh, "sin": np.sin,
    "cos": np.cos, "abs": np.abs, "sign": np.sign, "sqrt": np.sqrt,
    "softplus": lambda x: np.log1p(np.exp(x)), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "column": lambda x: x[:, None], "erf": np.vectorize(math.erf),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
}  # fmt: skip
OPERATORS: dict[str, Any] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "·": np.matmul, "/": np.divide, "^": np.power,
    "∧": np.logical_and, "∨": np.logical_or, ">": np.greater, "<": np.less, "==": np.equal,
    "!=": np.not_equal, ">=": np.greater_equal, "<=": np.less_equal,
}  # fmt: skip


def number_of(expression: Any, values: dict[str, Any], slopes: dict[str, Any]) -> Any:
    """Compute an expression in NumPy, and check the shape that it claims."""
    result = np.asarray(_number_of(expression, values, slopes))
    if (
        isinstance(expression, e.Infix)
        and isinstance(expression.left, e.Sum)
        and expression.shape is not None
    ):
        result = result.reshape(expression.shape)  # sums keep their dimensions here; a norm may drop them
    if expression.shape is not None and not isinstance(expression, e.Number | e.Sum):
        is_number = result.size == 1 and expression.shape == ()
        assert is_number or np.broadcast_shapes(result.shape, expression.shape) == expression.shape
    return result


def _number_of(x: Any, values: dict[str, Any], slopes: dict[str, Any]) -> Any:
    def go(inner: Any) -> Any:
        return number_of(inner, values, slopes)

    if isinstance(x, e.Symbol):
        return math.pi if x.name == "pi" else values[x.name]
    if isinstance(x, e.Slope):
        return slopes[x.of]
    if isinstance(x, e.Number):
        return x.value
    if isinstance(x, e.Infix):
        return OPERATORS[x.operator](go(x.left), go(x.right))
    if isinstance(x, e.Prefix):
        return -go(x.operand)
    if isinstance(x, e.Transposed):
        return go(x.operand).T
    if isinstance(x, e.Choice):
        return np.where(go(x.condition), go(x.yes), go(x.no))
    if isinstance(x, e.Apply):
        return FUNCTIONS[x.name](*(go(each) for each in x.arguments))
    assert isinstance(x, e.Sum)
    axes: dict[str, int | None] = {"": None, "rows": 0, "columns": 1}
    axis = axes[x.over] if x.over in axes else tuple(map(int, x.over.split(",")))
    inner = go(x.operand)
    if e.shape_of(x.operand):
        inner = np.broadcast_to(inner, e.shape_of(x.operand))
    return inner.sum(axis, keepdims=x.shape is None or len(x.shape) == inner.ndim)


UNITS = [
    us.sigmoid, us.tanh, us.relu, F.leaky_relu, F.silu, F.softplus, F.elu, F.hardtanh, us.exp, us.sin,
    F.softsign, us.square, F.gelu, F.relu6, F.log_softmax,
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.__name__)
def test_every_line_is_true(unit: Any) -> None:
    us.manual_seed(3)
    W1 = us.randn(4, 3, dtype=us.float64, requires_grad=True)
    b1 = us.randn(4, dtype=us.float64, requires_grad=True)
    W2 = us.randn(2, 4, dtype=us.float64, requires_grad=True)
    X, Y = us.randn(5, 3, dtype=us.float64), us.randn(5, 2, dtype=us.float64)
    z1 = X @ W1.t() + b1
    a1 = unit(z1, -1) if unit is F.log_softmax else unit(z1)
    z2 = F.linear(a1, W2)
    r = z2 - Y
    s = 0.5 * (r * r).sum(1)
    loss = s.mean()
    tensors = {"W1": W1, "b1": b1, "W2": W2, "z1": z1, "a1": a1, "z2": z2, "r": r, "s": s, "L": loss}
    slopes = {
        name: gradient.numpy()
        for name, gradient in zip(
            tensors, us.autograd.grad(loss, list(tensors.values()), retain_graph=True), strict=True
        )
    }
    values = {name: tensor.detach().numpy() for name, tensor in (tensors | {"X": X, "Y": Y}).items()}
    values["const"] = values["Y"]
    blocks = us.explain(loss).blocks
    for line in [block.forward for block in reversed(blocks)]:
        computed = number_of(line.right, values, slopes)
        assert np.allclose(computed, values.setdefault(line.left.name, computed), rtol=1e-12), line
    flowed: dict[str, Any] = {}
    for line in [line for block in blocks for line in block.backward]:
        part = np.broadcast_to(number_of(line.right, values, flowed), line.left.shape)
        flowed[line.left.of] = flowed[line.left.of] + part if line.adds else part
    assert {"W1", "b1", "W2", "z1", "a1", "z2", "r", "s"} <= set(flowed)
    for name, slope in slopes.items():
        assert np.allclose(flowed.get(name, 1.0), slope, rtol=1e-12), name
