"""Jacobians, Hessians and their products; function transformations; modules with other parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import functional
from unspool.nn.utils.stateless import functional_call

MATRIX = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])


def tensor(values: Any) -> Any:
    return us.tensor(values, dtype=us.float64)


def quadratic(x: Any) -> Any:
    """x . S x / 2 with S = M^T M."""
    return (tensor(MATRIX) @ x).square().sum() / 2


def test_jacobian_and_products_of_a_linear_map() -> None:
    m, x = tensor(MATRIX), tensor([1.0, -1.0, 2.0])
    assert us.equal(functional.jacobian(lambda v: m @ v, x), m)
    output, product = functional.vjp(lambda v: m @ v, x, tensor([1.0, 2.0]))
    assert us.equal(output, m @ x)
    assert us.equal(product, m.mT @ tensor([1.0, 2.0]))
    assert not product.requires_grad
    _, forward = functional.jvp(lambda v: m @ v, x, tensor([1.0, 0.0, 1.0]))
    assert us.equal(forward, m @ tensor([1.0, 0.0, 1.0]))


def test_hessian_and_its_products() -> None:
    x, v = tensor([1.0, -1.0, 2.0]), tensor([1.0, 2.0, 3.0])
    expected = MATRIX.T @ MATRIX
    np.testing.assert_allclose(functional.hessian(quadratic, x).numpy(), expected)
    for product in (functional.vhp, functional.hvp):
        output, result = product(quadratic, x, v)
        np.testing.assert_allclose(result.numpy(), expected @ v.numpy())
        assert output.item() == quadratic(x).item()


def test_several_inputs_and_outputs_are_nested() -> None:
    a, b = tensor([1.0, 2.0]), tensor([3.0])
    rows = functional.jacobian(lambda x, y: (x * y, x.sum()), (a, b))
    assert [[tuple(each.shape) for each in row] for row in rows] == [[(2, 2), (2, 1)], [(2,), (1,)]]
    assert rows[0][0].tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert rows[1][1].tolist() == [0.0]
    blocks = functional.hessian(lambda x, y: (x * x).sum() * y.sum(), (a, b))
    assert blocks[0][1].tolist() == [[2.0], [4.0]]
    with pytest.raises(RuntimeError, match="independent of input 1"):
        functional.jacobian(lambda x, y: x * 2 + 0 * x, (a, b), strict=True)


def test_create_graph_lets_results_be_differentiated() -> None:
    x = tensor([0.5, 1.5]).requires_grad_()
    j = functional.jacobian(lambda v: v**3, x, create_graph=True)
    j.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * np.array([0.5, 1.5]))


def test_bad_calls_are_refused() -> None:
    x = tensor([1.0, 2.0])
    with pytest.raises(TypeError, match="inputs given to jacobian"):
        functional.jacobian(lambda v: v, [x])
    with pytest.raises(RuntimeError, match="single element"):
        functional.hessian(lambda v: v, x)
    with pytest.raises(RuntimeError, match="v can only be None"):
        functional.vjp(lambda v: v, x)
    with pytest.raises(RuntimeError, match="invalid size"):
        functional.vjp(lambda v: v, x, tensor([1.0]))


def test_transformations_compose() -> None:
    f = us.func
    x = tensor(0.7)
    assert f.grad(us.sin)(x).item() == pytest.approx(np.cos(0.7))
    assert f.grad(f.grad(us.sin))(x).item() == pytest.approx(-np.sin(0.7))
    assert not f.grad(us.sin)(x).requires_grad
    gradient, value = f.grad_and_value(quadratic)(tensor([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(gradient.numpy(), (MATRIX.T @ MATRIX)[0])
    assert value.item() == pytest.approx(0.5)
    np.testing.assert_allclose(f.hessian(quadratic)(tensor([1.0, 2.0, 3.0])).numpy(), MATRIX.T @ MATRIX)
    assert f.jacrev(lambda a, b: a * b, argnums=1)(tensor([2.0, 3.0]), tensor([1.0, 1.0])).tolist() == [
        [2.0, 0.0],
        [0.0, 3.0],
    ]
    output, pull = f.vjp(lambda a, b: a @ b, tensor(MATRIX), tensor([1.0, 1.0, 1.0]))
    assert [tuple(g.shape) for g in pull(us.ones_like(output))] == [(2, 3), (3,)]
    _, tangent = f.jvp(us.sin, (x,), (tensor(2.0),))
    assert tangent.item() == pytest.approx(2 * np.cos(0.7))
    nested = f.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": tensor([2.0]), "b": [tensor([5.0])]})
    assert (nested["a"].item(), nested["b"][0].item()) == (5.0, 2.0)
    inner = f.grad(lambda a: f.grad(lambda b: (a * b * b).sum())(tensor(3.0)))(tensor(1.0))
    assert inner.item() == 6.0
    with pytest.raises(RuntimeError, match="scalar"):
        f.grad(us.sin)(tensor([1.0, 2.0]))


def test_a_module_is_called_with_other_parameters_and_left_as_it_was() -> None:
    model = us.nn.Sequential(us.nn.Linear(3, 2), us.nn.Tanh())
    weight = model[0].weight
    other = {name: us.zeros_like(p) for name, p in model.named_parameters()}
    assert functional_call(model, other, us.ones(1, 3)).tolist() == [[0.0, 0.0]]
    assert model[0].weight is weight
    gradients = us.func.grad(lambda p: us.func.functional_call(model, p, us.ones(1, 3)).sum())(other)
    assert gradients["0.weight"].tolist() == [[1.0] * 3] * 2
    with pytest.raises(RuntimeError, match="missing keys"):
        functional_call(model, {"0.bias": us.zeros(2)}, us.ones(1, 3), strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        functional_call(model, [other, other], us.ones(1, 3))


def test_tied_weights_are_replaced_together() -> None:
    model = us.nn.Sequential(us.nn.Linear(2, 2, bias=False), us.nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    out = functional_call(model, {"0.weight": 2 * us.eye(2)}, us.ones(1, 2))
    assert out.tolist() == [[4.0, 4.0]]
