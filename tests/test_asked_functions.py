"""Which function a class with ``__torch_function__`` is asked about: the one called, not what it calls."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
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


COMPOSED: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "tensordot": (us.tensordot, (MATRIX, 2)),
    "allclose": (us.allclose, (MATRIX,)),
    "histogram": (us.histogram, (4,)),
    "frexp": (us.frexp, ()),
    "svd": (us.linalg.svd, ()),
    "linalg norm": (us.linalg.norm, ()),
    "pinverse": (us.pinverse, ()),
    "i0": (us.special.i0, ()),
    "polynomial": (us.special.chebyshev_polynomial_t, (2,)),
    "normalize": (F.normalize, ()),
    "pairwise_distance": (F.pairwise_distance, (MATRIX + 1,)),
    "triplet_margin_loss": (F.triplet_margin_loss, (MATRIX, -MATRIX)),
    "interpolate": (lambda x: F.interpolate(x[None], size=2), ()),
    "fractional pool": (lambda x: F.fractional_max_pool2d(x[None, None], 2, 2), ()),
}


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_ask_once(name: str) -> None:
    function, rest = COMPOSED[name]
    Asked.seen.clear()
    us.manual_seed(1)
    found = function(MATRIX.as_subclass(Asked), *rest)
    shown = [each for each in Asked.seen if getattr(each, "__name__", "") != "__getitem__"]
    assert len(shown) == 1
    if function.__name__ != "<lambda>":
        # The tables of this file hold what was there before the first class was; the name is found anew.
        assert shown[0].__name__ == function.__name__
    us.manual_seed(1)
    expected = function(MATRIX, *rest)
    assert type(found) is type(expected) or isinstance(found, Asked)
    for asked, plain in zip(parts(found), parts(expected), strict=True):
        if isinstance(plain, us.Tensor):
            assert type(asked) is Asked
            assert us.equal(asked.as_subclass(us.Tensor), plain)
        else:
            assert asked == plain


def test_the_function_shown_is_the_one_found_by_its_name() -> None:
    x = MATRIX.as_subclass(Asked)
    Asked.seen.clear()
    us.tensordot(x, x, 2), us.linalg.svd(x), F.normalize(x), us.det(x[:3]), us.special.i0(x)
    assert us.special.i0 is us.i0
    found = [each for each in Asked.seen if getattr(each, "__name__", "") != "__getitem__"]
    assert found == [us.tensordot, us.linalg.svd, F.normalize, us.det, us.special.i0]
    for function in found:
        assert pickle.loads(pickle.dumps(function)) is function
        assert inspect.signature(function).parameters
    # Questions about the object are not asked.
    Asked.seen.clear()
    assert us.is_tensor(x)
    assert not Asked.seen


def test_methods_called_by_their_name_on_tensor_ask() -> None:
    class Labelled(us.Tensor):
        label = ""

        def to(self, *args: Any, **kwargs: Any) -> Any:
            result: Any = super().to(*args, **kwargs)
            result.label = self.label
            return result

    x: Any = MATRIX.as_subclass(Labelled)
    x.label = "a"
    y = x.to(us.float64)
    assert (type(y), y.dtype, y.label) == (Labelled, us.float64, "a")
    assert type(us.Tensor.half(x)) is Labelled
    assert type(us.Tensor.half(MATRIX)) is us.Tensor
    assert type(x.histogram(3).hist) is Labelled
    assert [type(each) for each in (*x.frexp(), *x[:3].slogdet(), *x.aminmax())] == [Labelled] * 6


def test_nobody_pays_before_the_first_class() -> None:
    script = """
import unspool as us, unspool.nn.functional as F
before = us.tensordot, us.linalg.svd, F.normalize, us.Tensor.to
class Kept(us.Tensor):
    __torch_function__ = us._C._disabled_torch_function_impl
assert before == (us.tensordot, us.linalg.svd, F.normalize, us.Tensor.to)
class Kept(us.Tensor): pass
x = us.ones(2, 2).as_subclass(Kept)
after = us.tensordot, us.linalg.svd, F.normalize, us.Tensor.to
assert all(f.__wrapped__ is g for f, g in zip(after, before))
assert type(us.det(x)) is Kept  # what is imported later asks too
class Second(us.Tensor): pass
assert after == (us.tensordot, us.linalg.svd, F.normalize, us.Tensor.to)
assert type(before[0](x, x, 2)) is Kept
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
