"""Constructors of modules and functions of nn.init name the argument that is wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn

# Older names of arguments and of modules say so.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{each}")
    for each in (
        "size_average and reduce args will be deprecated",
        "keyword argument `(min|max)_value` is deprecated",
        "NLLLoss2d has been deprecated",
        "Initializing zero-element tensors is a no-op",
    )
]

# Arguments that make a module, by their names.
GOOD: dict[str, Any] = {
    **dict.fromkeys(("in_features", "out_features", "in_channels", "out_channels", "num_features"), 4),
    **dict.fromkeys(("num_embeddings", "embedding_dim", "num_channels", "input_size", "hidden_size"), 4),
    **dict.fromkeys(("embed_dim", "d_model", "in1_features", "in2_features", "normalized_shape"), 4),
    **dict.fromkeys(("num_classes", "num_chunks"), 4),
    **dict.fromkeys(("num_groups", "num_heads", "nhead", "size", "upscale_factor", "downscale_factor"), 2),
    **dict.fromkeys(("groups", "output_size"), 2),
    **dict.fromkeys(("padding", "dim", "num_layers"), 1),
    **dict.fromkeys(("value", "threshold", "norm_type"), 1.0),
    "n_classes": 5,
    "cutoffs": [2, 3],
    "kernel_size": 3,
    "unflattened_size": (2, 2),
    "mode": "LSTM",
    "bias": True,
    "f": us.relu,
    "dfdz": us.relu,
    "decoder_layer": nn.TransformerDecoderLayer(4, 2),
    "encoder_layer": nn.TransformerEncoderLayer(4, 2),
}
# These take modules or anything.
CONTAINERS = {"Identity", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
CONTAINERS |= {"Product", "Sequential", "Sum"}
MODULES = [
    name
    for name in dir(nn)
    if isinstance(getattr(nn, name), type)
    and issubclass(getattr(nn, name), nn.Module)
    and name not in CONTAINERS
]
WRONG = [None, "3", object(), {}, [1.5], us.ones(3), 2.5, (1, 2, 3, 4, 5, 6, 7)]


def parameters_of(name: str) -> list[inspect.Parameter]:
    """The constructor's arguments; those of recurrent layers are their base's."""
    cls = nn.RNNBase if name in ("RNN", "LSTM", "GRU") else getattr(nn, name)
    parameters = inspect.signature(cls).parameters.values()
    return [
        each
        for each in parameters
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        and not (cls is nn.RNNBase and name != "RNNBase" and each.name in ("mode", "proj_size"))
    ]


def required(name: str) -> dict[str, Any]:
    arguments = {each.name: GOOD[each.name] for each in parameters_of(name) if each.default is each.empty}
    return arguments | ({"output_size": 2} if name.startswith("Fractional") else {})


def failure(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("name", MODULES)
def test_wrong_arguments_of_modules_are_named(name: str) -> None:
    make = getattr(nn, name)
    make(**required(name))
    for parameter in parameters_of(name):
        for wrong in WRONG:
            arguments = {**required(name), parameter.name: wrong}
            error = failure(lambda arguments=arguments: make(**arguments))
            if isinstance(error, AssertionError):  # as in PyTorch
                assert parameter.name == "_weight"
            elif error is not None:
                assert isinstance(error, TypeError | ValueError | RuntimeError)
                assert not isinstance(error, AttributeError)
                assert parameter.name in str(error) or name in str(error), error


# What is refused for every argument of a kind; bools take numbers and None.
REFUSED = {
    "int": WRONG,
    "float": [each for each in WRONG if not isinstance(each, float)],
    "bool": ["3", object(), {}, [1.5], us.ones(3)],
    "str": [each for each in WRONG if not isinstance(each, str)],
    "int | Sequence[int]": [None, "3", object(), {}, [1.5], 2.5],
    "Ints": [None, "3", object(), {}, [1.5], 2.5],
    "Tensor | None": ["3", object(), {}, [1.5], 2.5],
}


@pytest.mark.parametrize("name", MODULES)
def test_arguments_of_the_wrong_kind_are_type_errors(name: str) -> None:
    for parameter in parameters_of(name):
        for wrong in REFUSED.get(str(parameter.annotation), []):
            with pytest.raises(TypeError, match=rf"{name}\(\): argument '{parameter.name}' must be"):
                getattr(nn, name)(**{**required(name), parameter.name: wrong})


@pytest.mark.parametrize("name", MODULES)
def test_numbers_of_numpy_are_numbers(name: str) -> None:
    numpy_ones = {
        key: np.int64(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in required(name).items()
    }
    if name in ("RNN", "LSTM", "GRU", "RNNBase"):  # as in PyTorch
        with pytest.raises(TypeError, match="input_size should be of type int, got: int64"):
            getattr(nn, name)(**numpy_ones)
    else:
        getattr(nn, name)(**numpy_ones)


def test_messages_say_what_to_give() -> None:
    with pytest.raises(TypeError, match=r"Linear\(\): argument 'in_features' must be an int, not str '10'"):
        nn.Linear("10", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Conv2d\(\): argument 'kernel_size' must be one number or 2, not 3"):
        nn.Conv2d(1, 1, (3, 3, 3))
    with pytest.raises(TypeError, match=r"'padding' must be one number or 4, not 2: \(1, 1\)"):
        nn.ReflectionPad2d((1, 1))
    with pytest.raises(TypeError, match=r"Dropout\(\): argument 'p' must be a number, not None"):
        nn.Dropout(None)  # type: ignore[arg-type]

    class Mine(nn.Linear):
        pass

    with pytest.raises(TypeError, match=r"Linear\(\): argument 'out_features'"):
        Mine(3, None)  # type: ignore[arg-type]


def test_lengths_that_pytorch_takes_are_taken() -> None:
    assert nn.ZeroPad2d((1, 1)).padding == (1, 1)
    assert nn.MaxPool2d((2,))(us.ones(1, 1, 4, 4)).shape == (1, 1, 2, 2)
    assert nn.Conv2d(1, 1, [3, 3], stride=(2,))(us.ones(1, 1, 5, 5)).shape == (1, 1, 2, 2)
    assert nn.AdaptiveAvgPool2d((None, 1))(us.ones(1, 1, 4, 4)).shape == (1, 1, 4, 1)
    assert nn.PReLU(init=us.tensor(0.5)).weight.item() == 0.5  # type: ignore[arg-type]
    assert nn.InstanceNorm1d(2, momentum=None).momentum is None


@pytest.mark.parametrize("name", [each for each in nn.init.__all__ if each != "calculate_gain"])
def test_wrong_arguments_of_initializers_are_named(name: str) -> None:
    fill = getattr(nn.init, name)
    good = {"tensor": us.ones(3, 3, 3) if name == "dirac_" else us.ones(3, 3)}
    parameters = inspect.signature(fill).parameters.values()
    good |= {each.name: 0.5 for each in parameters if each.default is each.empty and each.name != "tensor"}
    assert fill(**good) is good["tensor"]
    for parameter in parameters:
        kind = str(parameter.annotation)
        wrongs = REFUSED.get(kind, []) if kind != "Tensor" else [None, "3", [1.5], 2.5]
        for wrong in wrongs:
            with pytest.raises(TypeError, match=rf"init.{name}\(\): argument '{parameter.name}' must be"):
                fill(**{**good, parameter.name: wrong})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(-1, 4), r"Linear\(\): argument 'in_features' must not be negative, got -1"),
        (lambda: nn.Conv2d(3, 4, (3, -3)), r"Conv2d\(\): argument 'kernel_size' .*, got \(3, -3\)"),
        (lambda: nn.Embedding(-2, 4), r"Embedding\(\): argument 'num_embeddings' .*, got -2"),
        (lambda: nn.BatchNorm1d(-1), r"BatchNorm1d\(\): argument 'num_features' .*, got -1"),
    ],
)
def test_sizes_of_parameters_are_not_negative(make: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        make()
    assert nn.Linear(0, 4, bias=False).weight.shape == (4, 0)
