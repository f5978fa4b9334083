"""What models and data loaders hold can be pickled: functions by their names, generators by their states."""

from __future__ import annotations

import copy
import pickle
from types import BuiltinFunctionType, FunctionType
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim

NAMESPACES = [
    us,
    F,
    us.linalg,
    us.special,
    us.fft,
    nn,
    nn.init,
    nn.utils,
    optim,
    us.autograd,
    us.utils.data,
    us.train,
]
KINDS = (FunctionType, BuiltinFunctionType, type, type(us.add))


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda each: each.__name__)
def test_public_functions_and_classes_are_found_again_by_name(namespace: Any) -> None:
    missed = []
    for name in dir(namespace):
        member = None if name.startswith("_") else getattr(namespace, name)
        if isinstance(member, KINDS) and pickle.loads(pickle.dumps(member)) is not member:
            missed.append(name)
    assert missed == []


def test_operations_say_where_they_are() -> None:
    assert (us.add.__module__, us.add.__qualname__) == ("unspool", "add")
    assert (F.linear.__module__, F.linear.__qualname__) == ("unspool.nn.functional", "linear")
    method = us.Tensor.add
    assert (method.__module__, method.__qualname__, method.__name__) == ("unspool", "Tensor.add", "add")
    assert pickle.loads(pickle.dumps(method)) is method
    assert type(us.add).__module__ == "unspool"


def test_a_model_that_holds_a_function_comes_back() -> None:
    model = nn.TransformerEncoderLayer(4, 2, 8, activation=F.gelu)
    assert pickle.loads(pickle.dumps(model)).activation is F.gelu


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))], ids=["copy", "file"]
)
def test_a_copied_generator_draws_on_by_itself(twin: Any) -> None:
    generator = us.Generator()
    generator.manual_seed(3)
    us.randn(5, generator=generator)
    other = twin(generator)
    expected = us.rand(4, generator=generator)
    assert us.equal(us.rand(4, generator=other), expected)
    assert other.initial_seed() == generator.initial_seed() == 3
