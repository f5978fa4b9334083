"""Parametrizations, and weight and spectral norm in both forms."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn.utils import parametrizations, parametrize


class Doubled(nn.Module):
    def forward(self, x: Any) -> Any:
        return 2 * x

    def right_inverse(self, x: Any) -> Any:
        return x / 2


class Shifted(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + 1


def test_a_parametrized_tensor_is_computed_from_its_original() -> None:
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Shifted())
    assert us.equal(layer.weight.detach(), before + 1)
    assert us.equal(layer.parametrizations.weight.original.detach(), before)
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer(us.ones(2, 3)).sum().backward()
    assert us.equal(layer.parametrizations.weight.original.grad, us.full((4, 3), 2.0))
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert isinstance(layer, nn.Linear)
    assert type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is nn.Linear


def test_a_right_inverse_keeps_the_value_and_takes_assignments() -> None:
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert us.equal(layer.weight.detach(), before)
    layer.weight = us.ones(4, 3)
    assert us.equal(layer.parametrizations.weight.original.detach(), us.full((4, 3), 0.5))
    assert us.equal(layer.weight.detach(), us.ones(4, 3))


def test_without_a_right_inverse_assignment_is_refused() -> None:
    layer = parametrize.register_parametrization(nn.Linear(3, 4), "weight", Shifted())
    with pytest.raises(RuntimeError, match="right_inverse"):
        layer.weight = us.ones(4, 3)


def test_several_parametrizations_are_applied_in_order() -> None:
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Shifted())
    parametrize.register_parametrization(layer, "weight", Doubled())
    np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * (before.numpy() + 1), rtol=1e-6)
    assert len(layer.parametrizations.weight) == 2


@pytest.mark.parametrize("leave", [True, False])
def test_removal_brings_the_class_and_a_parameter_back(leave: bool) -> None:
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Shifted())
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
    assert type(layer) is nn.Linear
    assert isinstance(layer.weight, nn.Parameter)
    assert us.equal(layer.weight.detach(), before + 1 if leave else before)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_cached_computes_once() -> None:
    calls = []

    class Counted(nn.Module):
        def forward(self, x: Any) -> Any:
            calls.append(1)
            return x + 0

    layer = parametrize.register_parametrization(nn.Linear(3, 4), "weight", Counted())
    del calls[:]
    with parametrize.cached():
        first, second = layer.weight, layer.weight
    assert first is second
    assert len(calls) == 1
    assert layer.weight is not first


def test_copies_are_independent_and_pickling_says_what_to_do() -> None:
    layer = parametrize.register_parametrization(nn.Linear(3, 4), "weight", Doubled())
    other = copy.deepcopy(layer)
    other.weight = us.zeros(4, 3)
    assert layer.weight.any()
    assert not other.weight.any()
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(layer)


def test_states_load() -> None:
    a, b = (parametrizations.weight_norm(nn.Linear(3, 4)) for _ in range(2))
    b.load_state_dict(a.state_dict())
    assert us.equal(a.weight, b.weight)


def test_parametrizations_can_be_transferred() -> None:
    a, b = parametrizations.weight_norm(nn.Linear(3, 4)), nn.Linear(3, 4)
    parametrize.transfer_parametrizations_and_params(a, b)
    assert us.equal(a.weight, b.weight)


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: parametrize.register_parametrization(nn.Linear(3, 4), "foo", Doubled()), ValueError, "foo"),
        (lambda: parametrize.remove_parametrizations(nn.Linear(3, 4), "weight"), ValueError, "weight"),
        (
            lambda: parametrize.register_parametrization(nn.Linear(3, 4), "weight", nn.Flatten(0)),
            ValueError,
            "shape",
        ),
        (lambda: nn.utils.remove_weight_norm(nn.Linear(3, 4)), ValueError, "weight_norm"),
        (lambda: nn.utils.remove_spectral_norm(nn.Linear(3, 4)), ValueError, "spectral_norm"),
        (lambda: nn.utils.skip_init(nn.ReLU), RuntimeError, "device"),
    ],
)
def test_refusals(run: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        run()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_in_both_forms(dim: int | None) -> None:
    us.manual_seed(0)
    old, new = nn.Linear(3, 4), nn.Linear(3, 4)
    new.load_state_dict(old.state_dict())
    before = old.weight.detach().clone()
    nn.utils.weight_norm(old, dim=dim)
    parametrizations.weight_norm(new, dim=dim)
    x = us.randn(5, 3)
    assert list(old.state_dict()) == ["bias", "weight_g", "weight_v"]
    assert us.equal(old(x), new(x))
    np.testing.assert_allclose(new.weight.detach().numpy(), before.numpy(), rtol=1e-5, atol=1e-7)
    axes = None if dim is None else 1 - dim
    lengths = np.sqrt((before.numpy() ** 2).sum(axis=axes, keepdims=dim is not None))
    np.testing.assert_allclose(old.weight_g.detach().numpy(), lengths, rtol=1e-6)
    old(x).square().sum().backward()
    new(x).square().sum().backward()
    assert us.equal(old.weight_v.grad, new.parametrizations.weight.original1.grad)
    # The length of the direction does not matter, so its gradient is orthogonal to it.
    assert abs(float((old.weight_v.grad * old.weight_v).sum())) < 1e-4
    nn.utils.remove_weight_norm(old)
    assert isinstance(old.weight, nn.Parameter)
    np.testing.assert_allclose(old.weight.detach().numpy(), before.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("form", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_spectral_norm_divides_by_the_largest_singular_value(form: Any) -> None:
    us.manual_seed(0)
    layer = nn.Linear(6, 4)
    weight = layer.weight.detach().numpy().copy()
    form(layer)
    for _ in range(100):
        layer(us.randn(2, 6))
    layer.eval()
    layer(us.randn(2, 6))
    expected = weight / np.linalg.svd(weight, compute_uv=False)[0]
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    layer(us.randn(2, 6)).sum().backward()
    if form is nn.utils.spectral_norm:
        assert sorted(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
        nn.utils.remove_spectral_norm(layer)
        assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_spectral_norm_of_a_vector_is_its_length() -> None:
    layer = nn.Linear(6, 4)
    parametrizations.spectral_norm(layer, "bias")
    assert float(layer.bias.norm()) == pytest.approx(1.0, rel=1e-6)


def test_skip_init_leaves_the_generator() -> None:
    us.manual_seed(0)
    expected = us.rand(3)
    us.manual_seed(0)
    layer = nn.utils.skip_init(nn.Linear, 3, 4)
    assert layer.weight.shape == (4, 3)
    assert us.equal(us.rand(3), expected)


def test_recurrent_layers_read_a_normalized_weight() -> None:
    us.manual_seed(0)
    layer = nn.LSTM(3, 4)
    x = us.randn(5, 2, 3)
    expected = layer(x)[0]
    parametrizations.weight_norm(layer, "weight_hh_l0")
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original1.grad is not None


@pytest.mark.parametrize("use_trivialization", [True, False])
@pytest.mark.parametrize("orthogonal_map", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (1, 1), (2, 5, 3)])
def test_orthogonal_weights_have_orthonormal_columns_or_rows(
    shape: tuple[int, ...], orthogonal_map: str | None, use_trivialization: bool
) -> None:
    module = nn.Module()
    module.weight = nn.Parameter(us.randn(*shape, dtype=us.float64))
    parametrizations.orthogonal(module, "weight", orthogonal_map, use_trivialization=use_trivialization)
    for _ in range(2):
        weight: Any = module.weight
        columns = weight if shape[-2] >= shape[-1] else weight.mT
        product = columns.mT @ columns
        assert us.allclose(
            product, us.eye(min(shape[-2:]), dtype=us.float64).expand(product.shape), atol=1e-12
        )
        original: Any = module.parametrizations.weight.original
        us.autograd.grad((weight * us.randn(*shape, dtype=us.float64)).sum(), original)
        with us.no_grad():
            original.add_(us.randn(*shape, dtype=us.float64).tril(-1), alpha=0.3)


def test_orthogonal_keeps_orthonormal_weights_and_takes_assignments() -> None:
    for shape in ((4, 4), (5, 3), (3, 5)):
        layer = nn.Linear(shape[1], shape[0])
        nn.init.orthogonal_(layer.weight)
        before = layer.weight.detach().clone()
        parametrizations.orthogonal(layer)
        assert us.allclose(layer.weight, before, atol=1e-6)
        assert "parametrizations.weight.0.base" in layer.state_dict()
        other = nn.init.orthogonal_(us.empty(*shape))
        layer.weight = other
        assert us.allclose(layer.weight, other, atol=1e-6)


def test_orthogonal_starts_from_q_with_a_positive_diagonal_of_r() -> None:
    matrix = us.tensor([[0.0, 1.0], [-2.0, 0.0]])
    layer = nn.Linear(2, 2)
    layer.weight.data = matrix.clone()
    parametrizations.orthogonal(layer)
    assert us.allclose(layer.weight, us.tensor([[0.0, 1.0], [-1.0, 0.0]]), atol=1e-6)


def test_orthogonal_refuses_what_it_cannot_do() -> None:
    for make, words in (
        (lambda: parametrizations.orthogonal(nn.LayerNorm(3)), "1 dimensions"),
        (lambda: parametrizations.orthogonal(nn.Linear(3, 3), "w"), "'w'"),
        (lambda: parametrizations.orthogonal(nn.Linear(3, 3), orthogonal_map="qr"), "'qr'"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
    layer = parametrizations.orthogonal(nn.Linear(3, 3), orthogonal_map="cayley", use_trivialization=False)
    with pytest.raises(NotImplementedError, match="use_trivialization"):
        layer.weight = us.eye(3)
