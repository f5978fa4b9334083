"""Lazy layers: what they are before the first input, what they become, and how they are saved and copied."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn.modules.lazy import LazyModuleMixin

# The lazy layer's arguments, those of the layer it becomes, and the shape of an input.
LAYERS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, ...]]] = {
    "Linear": ({"out_features": 3}, {"in_features": 5, "out_features": 3}, (2, 5)),
}
for _n in (1, 2, 3):
    _size, _options = (6, 5, 4)[:_n], {"out_channels": 4, "kernel_size": 3, "groups": 2}
    LAYERS[f"Conv{_n}d"] = (_options, {"in_channels": 2, **_options}, (1, 2, *_size))
    LAYERS[f"ConvTranspose{_n}d"] = (_options, {"in_channels": 2, **_options}, (2, *_size))
    LAYERS[f"BatchNorm{_n}d"] = ({}, {"num_features": 3}, (2, 3, *_size))
    LAYERS[f"InstanceNorm{_n}d"] = (
        {},
        {"num_features": 3, "affine": True, "track_running_stats": True},
        (2, 3, *_size),
    )

by_layer = pytest.mark.parametrize("name", LAYERS)


def lazy(name: str) -> Any:
    return getattr(nn, f"Lazy{name}")(**LAYERS[name][0])


def test_every_lazy_layer_is_here() -> None:
    expected = {name[4:] for name in nn.modules.__all__ if name.startswith("Lazy")}
    assert set(LAYERS) == expected


@by_layer
def test_after_the_first_input_it_is_the_layer_with_the_same_initial_values(name: str) -> None:
    _, options, shape = LAYERS[name]
    us.manual_seed(3)
    waiting = lazy(name)
    x = us.rand(shape)
    output = waiting(x)
    us.manual_seed(3)
    us.rand(shape)
    plain = getattr(nn, name)(**options)
    assert type(waiting) is type(plain)
    assert repr(waiting) == repr(plain)
    assert not any(isinstance(p, nn.UninitializedParameter) for p in waiting.parameters())
    np.testing.assert_array_equal(output.detach().numpy(), plain(x).detach().numpy())
    output.sum().backward()
    assert all(p.grad is not None for p in waiting.parameters())


@by_layer
def test_before_it_has_no_shape_and_says_so(name: str) -> None:
    waiting = lazy(name)
    assert waiting.has_uninitialized_params()
    assert isinstance(waiting.weight, nn.UninitializedParameter)
    assert repr(waiting.weight) == "<UninitializedParameter>"
    with pytest.raises(RuntimeError, match="no shape yet"):
        _ = waiting.weight.shape


@by_layer
def test_it_loads_the_state_of_an_initialized_layer(name: str) -> None:
    _, options, shape = LAYERS[name]
    plain = getattr(nn, name)(**options)
    waiting = lazy(name)
    waiting.load_state_dict(plain.state_dict())
    assert not waiting.has_uninitialized_params()
    for key, value in plain.state_dict().items():
        np.testing.assert_array_equal(waiting.state_dict()[key].numpy(), value.numpy())
    x = us.rand(shape)
    np.testing.assert_array_equal(waiting(x).detach().numpy(), plain(x).detach().numpy())
    assert type(waiting) is type(plain)


@by_layer
def test_its_own_state_goes_into_another_lazy_one_but_not_into_an_initialized_one(name: str) -> None:
    waiting = lazy(name)
    state = waiting.state_dict()
    assert isinstance(state["weight"], nn.UninitializedParameter)
    lazy(name).load_state_dict(state)
    with pytest.raises(RuntimeError, match="no shape yet"):
        getattr(nn, name)(**LAYERS[name][1]).load_state_dict(state)


@by_layer
@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_a_copy_is_lazy_too(name: str, way: str) -> None:
    waiting = lazy(name)
    copied = copy.deepcopy(waiting) if way == "deepcopy" else pickle.loads(pickle.dumps(waiting))
    assert copied.has_uninitialized_params()
    copied(us.rand(LAYERS[name][2]))
    assert type(copied) is getattr(nn, name)
    assert waiting.has_uninitialized_params()


def test_dtype_is_kept_until_there_is_a_shape() -> None:
    waiting = nn.LazyLinear(3, dtype=us.float64)
    assert waiting.weight.dtype is us.float64
    assert nn.LazyLinear(3).double().weight.dtype is us.float64
    assert waiting(us.rand(2, 4, dtype=us.float64)).dtype is us.float64


def test_a_network_of_lazy_layers_trains() -> None:
    us.manual_seed(0)
    network = nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    )
    x = us.rand(8, 3, 5, 5)
    network(x)
    optimizer = us.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = network(x).square().mean()
        loss.backward()
        optimizer.step()
        losses += [float(loss)]
    assert losses[-1] < losses[0] / 2


def test_a_first_input_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="LazyConv2d"):
        nn.LazyConv2d(4, 3)(us.rand(3, 5))
    with pytest.raises(ValueError, match="divisible"):
        nn.LazyConv2d(4, 3, groups=2)(us.rand(1, 3, 5, 5))
    with pytest.raises(ValueError, match="4D"):
        nn.LazyBatchNorm2d()(us.rand(3, 4))


class Scale(LazyModuleMixin, nn.Module):
    """A lazy module of one's own: it multiplies by a parameter of its input's size."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.UninitializedParameter()

    def initialize_parameters(self, input: Any) -> None:
        with us.no_grad():
            self.factor.materialize(input.shape[-1:])
            self.factor.fill_(2)

    def forward(self, input: Any) -> Any:
        return input * self.factor


def test_a_module_of_ones_own_can_be_lazy() -> None:
    module = Scale()
    assert module.has_uninitialized_params()
    np.testing.assert_array_equal(module(us.ones(2, 3)).detach().numpy(), np.full((2, 3), 2.0))
    assert isinstance(module.factor, nn.Parameter)
    assert not module.has_uninitialized_params()
