"""state_dict and load_state_dict: layout, strictness, messages, versions, hooks, extra state."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn


def network() -> Any:
    return nn.Sequential(OrderedDict(hidden=nn.Linear(3, 4), activation=nn.Tanh(), output=nn.Linear(4, 2)))


class Running(nn.Module):
    """A module with a persistent buffer, one that is not, and state beyond tensors."""

    _version = 2

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", us.zeros(2))
        self.register_buffer("scratch", us.zeros(2), persistent=False)
        self.register_buffer("absent", None)
        self.epoch = 0

    def get_extra_state(self) -> Any:
        return {"epoch": self.epoch}

    def set_extra_state(self, state: Any) -> None:
        self.epoch = state["epoch"]


def test_keys_are_in_order_of_registration_and_tensors_are_shared() -> None:
    net = network()
    saved = net.state_dict()
    assert list(saved) == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    assert not saved["hidden.bias"].requires_grad
    assert type(saved["hidden.bias"]) is us.Tensor
    with us.no_grad():
        net.hidden.bias.fill_(7.0)
    assert saved["hidden.bias"].tolist() == [7.0] * 4
    assert net.state_dict(keep_vars=True)["hidden.bias"] is net.hidden.bias
    assert next(iter(net.state_dict(prefix="net."))) == "net.hidden.weight"
    destination: dict[str, Any] = {"other": 1}
    assert net.state_dict(destination=destination) is destination
    assert list(destination)[:2] == ["other", "hidden.weight"]


def test_versions_travel_beside_the_dictionary() -> None:
    saved = nn.Sequential(Running()).state_dict()
    assert saved._metadata == {"": {"version": 1}, "0": {"version": 2}}
    assert pickle.loads(pickle.dumps(saved))._metadata == saved._metadata
    assert type(pickle.loads(pickle.dumps(saved))) is OrderedDict
    assert copy.deepcopy(saved)._metadata == saved._metadata


@pytest.mark.parametrize("way", ["direct", "pickle", "deepcopy", "plain"])
def test_a_loaded_module_computes_the_same_bits(way: str) -> None:
    first, second = network(), network()
    saved = first.state_dict()
    saved = {
        "direct": lambda s: s,
        "pickle": lambda s: pickle.loads(pickle.dumps(s)),
        "deepcopy": copy.deepcopy,
        "plain": dict,
    }[way](saved)
    result = second.load_state_dict(saved)
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert result == ([], [])
    x = us.randn(5, 3)
    assert np.array_equal(first(x).detach().numpy(), second(x).detach().numpy())
    assert second.hidden.weight is not first.hidden.weight


def test_loading_converts_to_the_modules_dtype_and_keeps_its_tensors() -> None:
    net, other = network().double(), network()
    weight = other.hidden.weight
    other.load_state_dict(net.state_dict())
    assert other.hidden.weight is weight
    assert weight.dtype == us.float32


def test_assign_takes_the_tensors_themselves() -> None:
    net, other = network().double(), network()
    other.output.requires_grad_(False)
    saved = net.state_dict()
    other.load_state_dict(saved, assign=True)
    assert other.hidden.weight.dtype == us.float64
    assert type(other.hidden.weight) is nn.Parameter
    assert (other.hidden.weight.requires_grad, other.output.weight.requires_grad) == (True, False)
    with us.no_grad():
        net.hidden.weight.fill_(3.0)
    assert other.hidden.weight[0, 0].item() == 3.0


def test_every_mismatch_is_listed_with_path_shapes_and_dtypes() -> None:
    saved = network().state_dict()
    del saved["output.bias"]
    saved["hidden.extra"] = us.ones(1)
    saved["unknown"] = us.ones(1)
    saved["hidden.weight"] = us.ones(5, 3, dtype=us.float64)
    saved["hidden.bias"] = [1.0]
    net = network()
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(saved)
    message = str(caught.value)
    assert message.startswith("Error(s) in loading state_dict for Sequential:")
    for words in (
        'Missing key(s) in state_dict: "output.bias"',
        '"hidden.extra"',
        '"unknown"',
        "size mismatch for hidden.weight",
        "(5, 3)",
        "float64",
        "(4, 3)",
        "float32",
        'named "hidden.bias", expected a Tensor from the state_dict but received list',
    ):
        assert words in message, words
    for wrong in ("hidden.weight", "hidden.bias"):
        del saved[wrong]
    result = net.load_state_dict(saved, strict=False)
    assert result.missing_keys == ["hidden.weight", "hidden.bias", "output.bias"]
    assert sorted(result.unexpected_keys) == ["hidden.extra", "unknown"]
    assert "missing_keys=" in repr(result)


def test_a_shape_mismatch_is_an_error_even_without_strict() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        nn.Linear(2, 2).load_state_dict({"weight": us.ones(3, 2)}, strict=False)


def test_something_else_than_a_dictionary_is_refused() -> None:
    with pytest.raises(TypeError, match="dict-like, got list"):
        network().load_state_dict([1, 2])


def test_buffers_are_saved_where_they_are_persistent() -> None:
    module = Running()
    assert list(module.state_dict()) == ["mean", "_extra_state"]
    module.register_buffer("mean", us.ones(2), persistent=False)
    assert list(module.state_dict()) == ["_extra_state"]


def test_extra_state_travels_with_the_tensors() -> None:
    module, other = Running(), Running()
    module.epoch = 5
    other.load_state_dict(module.state_dict())
    assert other.epoch == 5
    saved = module.state_dict()
    del saved["_extra_state"]
    with pytest.raises(RuntimeError, match="_extra_state"):
        other.load_state_dict(saved)
    with pytest.raises(RuntimeError, match="Unexpected"):
        nn.Linear(1, 1).load_state_dict({**nn.Linear(1, 1).state_dict(), "_extra_state": 1})


def test_shared_parameters_are_saved_under_each_name_and_loaded_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    saved = net.state_dict()
    assert saved["0.weight"].data_ptr() == saved["1.weight"].data_ptr()
    net.load_state_dict(saved)
    assert net[1].weight is net[0].weight


def test_old_keys_may_be_renamed_by_an_override_or_a_hook() -> None:
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *args)

    saved = nn.Linear(2, 2).state_dict()
    saved["kernel"] = saved.pop("weight")
    original = list(saved)
    Renamed(2, 2).load_state_dict(saved)
    assert list(saved) == original
    nn.Sequential(Renamed(2, 2)).load_state_dict({f"0.{k}": v for k, v in saved.items()})

    def rename(module: Any, state_dict: Any, prefix: str, *args: Any) -> None:
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")

    hooked = nn.Linear(2, 2)
    handle = hooked.register_load_state_dict_pre_hook(rename)
    hooked.load_state_dict(saved)
    handle.remove()
    with pytest.raises(RuntimeError, match="kernel"):
        hooked.load_state_dict(saved)


def test_hooks_around_saving_and_loading() -> None:
    net = network()
    seen: list[Any] = []
    net.output.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append(prefix))
    net.output.register_state_dict_post_hook(
        lambda module, state, prefix, metadata: state.update({prefix + "note": us.ones(1)})
    )
    saved = net.state_dict()
    assert seen == ["output."]
    assert "output.note" in saved

    def forgive(module: Any, keys: Any) -> None:
        keys.unexpected_keys.clear()

    net.register_load_state_dict_post_hook(forgive)
    net.load_state_dict(saved)
    net.output.register_state_dict_post_hook(lambda *args: 3)
    with pytest.raises(RuntimeError, match="None"):
        net.state_dict()


def test_a_submodule_may_override_state_dict() -> None:
    class Silent(nn.Linear):
        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return kwargs["destination"]

    assert list(nn.Sequential(Silent(1, 1), nn.Linear(1, 1)).state_dict()) == ["1.weight", "1.bias"]
