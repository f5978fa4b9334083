"""Which function a class with ``__torch_function__`` is asked about: the one called, not what it calls."""

from __future__ import annotations

from types import FunctionType
from typing import Any, ClassVar

import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import _core


class Asked(us.Tensor):
    seen: ClassVar[list[Any]] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.seen.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


class NoTensor:
    """Answers with what it was asked about."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func, args, kwargs


MATRIX = us.linspace(-2.0, 2.0, 12).reshape(4, 3)
CLASSES = us.tensor([0, 2, 1, 1])
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "binary_cross_entropy": (MATRIX.sigmoid(), MATRIX.sigmoid()),
    "cross_entropy": (MATRIX, CLASSES),
    "gaussian_nll_loss": (MATRIX, MATRIX, MATRIX.sigmoid()),
    "kl_div": (MATRIX, MATRIX.sigmoid()),
    "log_softmax": (MATRIX, 1),
    "margin_ranking_loss": (MATRIX, -MATRIX, MATRIX.sign()),
    "multi_margin_loss": (MATRIX, CLASSES),
    "multilabel_margin_loss": (MATRIX, us.tensor([[0, -1, 1]] * 4)),
    "nll_loss": (MATRIX, CLASSES),
    "softmax": (MATRIX, 1),
    "softmin": (MATRIX, 1),
    "threshold": (MATRIX, 0.1, 2.0),
    "threshold_": (MATRIX, 0.1, 2.0),
}


def arguments_of(name: str) -> tuple[Any, ...]:
    """The arguments of a function of nn.functional, the first a tensor."""
    if "pool" in name:
        ndim = int(name[name.index("d") - 1] if "adaptive" not in name else name.split("pool")[1][0])
        return us.arange(2.0 * 6**ndim).reshape(1, 2, *[6] * ndim), 2
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    return (MATRIX, MATRIX.sign()) if "loss" in name or "entropy" in name else (MATRIX,)


NAMES = [
    name
    for name in dir(_core.functional)
    if not name.startswith(("__", "fractional")) and isinstance(getattr(F, name), FunctionType)
]


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_asked_about_functions_that_complete_an_operation(name: str) -> None:
    function = getattr(F, name)
    first, *rest = arguments_of(name)
    Asked.seen.clear()
    us.manual_seed(1)
    found = function(first.clone().as_subclass(Asked), *rest)
    assert Asked.seen == [function]
    us.manual_seed(1)
    expected = function(first.clone(), *rest)
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for asked, plain in pairs:
        assert type(asked) is Asked
        assert us.equal(asked.as_subclass(us.Tensor), plain)


def test_objects_that_are_no_tensors_are_asked_the_same() -> None:
    thing: Any = NoTensor()
    function, args, kwargs = F.mse_loss(thing, MATRIX)
    assert function is F.mse_loss
    assert args == (thing, MATRIX)
    assert kwargs == {"reduction": "mean", "weight": None}
    assert F.softmax(thing, 1)[0] is F.softmax
    assert us.relu(thing)[0] is us.relu


def test_answers_can_be_kept_by_function() -> None:
    """As PyTorch's documentation shows it: a table of functions that a class has answers for."""
    answers: dict[Any, str] = {F.cross_entropy: "entropy", F.max_pool2d: "pool", us.add: "sum"}

    class Answering(us.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in answers:
                return answers[func]
            return super().__torch_function__(func, types, args, kwargs or {})

    x: Any = MATRIX.as_subclass(Answering)
    assert F.cross_entropy(x, CLASSES) == "entropy"
    assert F.max_pool2d(us.ones(1, 1, 4, 4).as_subclass(Answering), 2) == "pool"
    assert us.add(x, 1) == "sum"
    assert type(us.mul(x, 2)) is Answering
