"""Containers: sequences, lists and dictionaries of modules and parameters."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest

import unspool as us
from unspool import nn


def layers(count: int = 3) -> list[Any]:
    return [nn.Linear(i + 1, i + 2) for i in range(count)]


def test_sequential_applies_its_modules_in_order() -> None:
    a, b, c = layers()
    net = nn.Sequential(a, b, c)
    x = us.ones(2, 1)
    assert net(x).tolist() == c(b(a(x))).tolist()
    assert nn.Sequential()(x) is x
    named = nn.Sequential(OrderedDict(one=a, two=b))
    assert named.one is a
    assert list(named.state_dict()) == ["one.weight", "one.bias", "two.weight", "two.bias"]
    assert named[-1] is b


def test_sequential_is_a_sequence() -> None:
    a, b, c = layers()
    net = nn.Sequential(a, b)
    assert (len(net), list(net), net[0], net[-1]) == (2, [a, b], a, b)
    assert net.append(c) is net
    assert list(net[1:]) == [b, c]
    assert type(net[1:]) is nn.Sequential
    net[0] = c
    assert list(net) == [c, b, c]
    del net[0]
    assert list(net._modules) == ["0", "1"]
    net.insert(0, a).insert(-1, nn.Tanh())
    assert [type(m).__name__ for m in net] == ["Linear", "Linear", "Tanh", "Linear"]
    assert net.pop(2).__class__ is nn.Tanh
    assert list(net.extend([nn.Identity()])._modules) == ["0", "1", "2", "3"]
    del net[1:3]
    assert len(net) == 2
    assert [list(both) for both in (nn.Sequential(a) + nn.Sequential(b), nn.Sequential(a, b) * 2)] == [
        [a, b],
        [a, b, a, b],
    ]
    grown = nn.Sequential(a)
    grown += nn.Sequential(b)
    grown *= 2
    assert list(grown) == [a, b, a, b]
    assert list(2 * nn.Sequential(a)) == [a, a]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Sequential(us.ones(1)), TypeError, "Tensor is not a Module"),
        (lambda: nn.Sequential(nn.Tanh())[1], IndexError, "1 entries"),
        (lambda: nn.Sequential(nn.Tanh()).insert(3, nn.Tanh()), IndexError, "3"),
        (lambda: nn.Sequential(nn.Tanh()) + nn.Tanh(), ValueError, "Tanh"),
        (lambda: nn.Sequential(nn.Tanh()) * 0, ValueError, "0"),
        (lambda: nn.Sequential(nn.Tanh()) * 1.5, TypeError, "float"),
        (lambda: nn.ModuleList([1]), TypeError, "int is not a Module"),
        (lambda: nn.ModuleList(3), TypeError, "iterable"),
        (lambda: nn.ModuleList([nn.Tanh()])[-2], IndexError, "-2"),
        (lambda: nn.ModuleList()(1), NotImplementedError, "forward"),
        (lambda: nn.ModuleDict({"a": 1}), TypeError, "int is not a Module"),
        (lambda: nn.ModuleDict({"a.b": nn.Tanh()}), KeyError, "a.b"),
        (lambda: nn.ModuleDict({"forward": nn.Tanh()}), KeyError, "exists"),
        (lambda: nn.ModuleDict([("a",)]), ValueError, "length 1"),
        (lambda: nn.ModuleDict([1]), TypeError, "int"),
        (lambda: nn.ModuleDict()["a"], KeyError, "a"),
        (lambda: nn.ParameterList(us.ones(2)), TypeError, "Tensor"),
        (lambda: nn.ParameterList([us.ones(1)])[1], IndexError, "1"),
        (lambda: nn.ParameterList()(1), RuntimeError, "called"),
        (lambda: nn.ParameterDict()(1), RuntimeError, "called"),
        (lambda: nn.ParameterDict({1: us.ones(1)}), TypeError, "int"),
        (lambda: nn.ParameterDict()["a"], KeyError, "a"),
        (lambda: nn.ParameterDict([("a", 1, 2)]), ValueError, "length 3"),
    ],
)
def test_bad_entries_and_positions_are_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_module_list_is_a_list_whose_parameters_are_found() -> None:
    a, b, c = layers()
    held = nn.ModuleList([a, b])
    held += [c]
    assert (len(held), list(held), held[1], c in held) == (3, [a, b, c], b, True)
    assert len(list(held.parameters())) == 6
    assert list(held[::2]) == [a, c]
    held.insert(1, nn.Tanh())
    assert list(held._modules) == ["0", "1", "2", "3"]
    assert held.pop(1).__class__ is nn.Tanh
    del held[0]
    held[0] = a
    assert list(held) == [a, c]
    assert list(held.__add__([b])) == [a, c, b]
    assert [module._scope for module in nn.ModuleList([nn.Tanh(), nn.Tanh()])] == ["0", "1"]


def test_module_list_prints_runs_of_equal_entries_once() -> None:
    text = repr(nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh()]))
    assert text == (
        "ModuleList(\n  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n  (2): Tanh()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict_is_a_dictionary_in_order_of_insertion() -> None:
    a, b, c = layers()
    held = nn.ModuleDict({"b": b})
    held["a"] = a
    held.update([("c", c)])
    held.update(nn.ModuleDict({"d": nn.Tanh()}))
    assert (list(held), len(held), "a" in held, held["a"]) == (["b", "a", "c", "d"], 4, True, a)
    assert [k for k, _ in held.items()] == list(held.keys())
    assert next(iter(held.values())) is b
    assert held.pop("c") is c
    del held["d"]
    assert list(held.state_dict()) == ["b.weight", "b.bias", "a.weight", "a.bias"]
    held.clear()
    assert len(held) == 0


def test_parameter_list_makes_parameters_of_tensors() -> None:
    held = nn.ParameterList([us.ones(2), nn.Parameter(us.zeros(3))])
    held += [us.ones(1)]
    held.append("note")
    assert len(held) == 4
    assert [type(value) for value in held][:3] == [nn.Parameter] * 3
    assert list(held.state_dict()) == ["0", "1", "2"]
    assert held[-2].shape == (1,)
    held[0] = us.zeros(5)
    assert held[0].shape == (5,)
    assert len(held[1:3]) == 2
    assert "Parameter containing: [" in repr(held)
    assert len(list(held.parameters())) == 3


def test_parameter_dict_is_a_dictionary_of_parameters() -> None:
    held = nn.ParameterDict({"left": us.ones(2)})
    held["right"] = us.zeros(3)
    held.update([("items", us.ones(1))])
    assert (list(held), len(held), "left" in held) == (["left", "right", "items"], 3, True)
    assert [type(value) for value in held.values()] == [nn.Parameter] * 3
    assert held["items"].shape == (1,)
    assert held.get("nothing", 4) == 4
    assert held.setdefault("left").shape == (2,)
    assert held.pop("right").shape == (3,)
    assert held.popitem()[0] == "items"
    assert list(held.copy()) == ["left"]
    assert list(held | nn.ParameterDict({"x": us.ones(1)})) == ["left", "x"]
    assert list(held.state_dict()) == ["left"]
    held.clear()
    assert list(held.parameters()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(*layers()),
        lambda: nn.ModuleList(layers()),
        lambda: nn.ModuleDict({"a": nn.Tanh(), "b": nn.Linear(1, 1)}),
        lambda: nn.ParameterList([us.ones(2), us.zeros(1)]),
        lambda: nn.ParameterDict({"a": us.ones(2), "keys": us.zeros(1)}),
    ],
)
def test_containers_survive_copying_and_pickling(make: Any) -> None:
    held = make()
    for other in (copy.deepcopy(held), pickle.loads(pickle.dumps(held))):
        assert repr(other) == repr(held)
        assert len(other) == len(held)
        for (name, a), (other_name, b) in zip(held.named_parameters(), other.named_parameters(), strict=True):
            assert (name, a.tolist()) == (other_name, b.tolist())
