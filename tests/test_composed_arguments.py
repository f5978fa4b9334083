"""Functions that Python composes: what is no tensor is refused by name; warnings point at the user's line."""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_sequence, unpad_sequence
from unspool.optim.lr_scheduler import StepLR


class Nothing:
    """No tensor, number or sequence."""


def takers_of_tensors() -> Iterator[Any]:
    """Each function written in Python, with the names of its arguments that must be tensors."""
    for namespace in (us, F, us.linalg, us.special):
        for name in sorted(dir(namespace)):
            function = getattr(namespace, name)
            if name.startswith("_") or not isinstance(function, FunctionType):
                continue
            parameters = inspect.signature(function).parameters.values()
            tensors = [p.name for p in parameters if p.annotation == "Tensor" and "VAR" not in p.kind.name]
            if tensors:
                yield pytest.param(function, tensors, id=f"{namespace.__name__}.{name}")


@pytest.mark.filterwarnings("ignore:.* is deprecated; use interpolate:UserWarning")
@pytest.mark.parametrize(("function", "tensors"), list(takers_of_tensors()))
def test_what_is_no_tensor_is_refused_before_it_is_used(
    function: Callable[..., Any], tensors: list[str]
) -> None:
    for argument, value in itertools.product(tensors, [Nothing(), "abc", [1.0, 2.0]]):
        given: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if name == argument:
                given[name] = value
            elif parameter.default is parameter.empty and "VAR" not in parameter.kind.name:
                given[name] = us.ones(3, 3) if "Tensor" in str(parameter.annotation) else 1
        # Another argument may be refused first, but nothing fails on what a list or a text has not got.
        with pytest.raises((TypeError, ValueError, RuntimeError, AssertionError)) as caught:
            function(**given)
        assert "has no attribute" not in str(caught.value)
        assert "unsupported operand" not in str(caught.value)


def test_the_error_names_function_argument_and_kind() -> None:
    with pytest.raises(TypeError, match=r"^fliplr\(\): argument 'input' must be Tensor, not list$"):
        us.fliplr([[1.0]])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^linalg.cross\(\): argument 'other' must be Tensor, not int$"):
        us.linalg.cross(us.ones(3), 1)  # type: ignore[arg-type]


CALLS: dict[str, Callable[[], Any]] = {
    "softmax without dim": lambda: F.softmax(us.ones(2, 3)),
    "nn.Softmax without dim": lambda: nn.Softmax()(us.ones(2, 3)),
    "old argument of a loss": lambda: F.mse_loss(us.ones(2), us.ones(2), size_average=True),
    "old argument of a composed loss": lambda: F.cosine_embedding_loss(
        us.ones(1, 2), us.ones(1, 2), us.ones(1), size_average=True
    ),
    "old argument of a module": lambda: nn.MSELoss(size_average=True),
    "old argument of a module with weights": lambda: nn.CrossEntropyLoss(size_average=True),
    "older name of the mean": lambda: F.mse_loss(us.ones(2), us.ones(2), reduction="elementwise_mean"),
    "older name of the mean in a module": lambda: nn.L1Loss(reduction="elementwise_mean"),
    "shapes that broadcast": lambda: F.mse_loss(us.ones(3, 2), us.ones(3, 1)),
    "shapes that broadcast, in a module": lambda: nn.MSELoss()(us.ones(3, 2), us.ones(3, 1)),
    "dropout between no layers": lambda: nn.LSTM(2, 2, dropout=0.5),
    "an older initializer": lambda: nn.init.xavier_uniform(us.ones(2, 2)),
    "grid_sample": lambda: F.grid_sample(us.ones(1, 1, 2, 2), us.zeros(1, 2, 2, 2)),
    "an older scheduler call": lambda: StepLR(optim.SGD([nn.Parameter(us.ones(1))]), 1).step(),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_warnings_point_at_the_line_that_made_the_call(call: Callable[[], Any]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    line = call.__code__.co_firstlineno
    assert [(Path(each.filename).name, each.lineno) for each in caught] == [(Path(__file__).name, line)]


BAD_CALLS: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "broadcast_tensors": (TypeError, "'tensors' must be Tensor, not list", lambda: us.broadcast_tensors([1])),
    "meshgrid of numbers": (TypeError, "'tensors' must be Tensor, not int", lambda: us.meshgrid([1, 2])),
    "fractional pooling": (RuntimeError, "3-d or 4-d", lambda: F.fractional_max_pool2d(us.ones(3), 2, 1)),
    "packing a vector": (RuntimeError, "2 dimensions", lambda: pack_padded_sequence(us.ones(3), [3])),
    "packing a number": (RuntimeError, "0-d", lambda: pack_sequence([us.tensor(1.0)])),
    "padding numbers": (RuntimeError, "0-d", lambda: pad_sequence([us.tensor(1.0)])),
    "padding floats": (TypeError, "'sequences' must be Tensor", lambda: pad_sequence([1.0])),
    "lengths": (ValueError, "each of 2 sequences", lambda: unpad_sequence(us.ones(3, 2), us.tensor([3]))),
}


@pytest.mark.parametrize(("kind", "words", "call"), BAD_CALLS.values(), ids=list(BAD_CALLS))
def test_calls_that_cannot_work_say_why(kind: type[Exception], words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=words):
        call()
