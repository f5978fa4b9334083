"""Classes derived from Tensor: results keep the class, and it may say what functions mean for its objects."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import nn, overrides
from unspool.autograd import gradcheck


class Kept(us.Tensor):
    pass


class Narrower(Kept):
    pass


class Other(us.Tensor):
    pass


def kept(*sizes: int) -> Any:
    return us.rand(*sizes).as_subclass(Kept)


def plain(*sizes: int) -> us.Tensor:
    return us.rand(*sizes)


RESULTS: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: x + 1,
    "add to a number": lambda x: 1 + x,
    "add plain": lambda x: x + plain(3, 3),
    "plain add": lambda x: plain(3, 3) + x,
    "plain sub": lambda x: plain(3, 3) - x,
    "number sub": lambda x: 2 - x,
    "number div": lambda x: 2 / x,
    "number floordiv": lambda x: 2 // x,
    "number mod": lambda x: 2 % x,
    "number pow": lambda x: 2**x,
    "pow": lambda x: x**2,
    "neg": lambda x: -x,
    "abs": abs,
    "matmul": lambda x: x @ x,
    "plain matmul": lambda x: plain(3, 3) @ x,
    "eq": lambda x: x == 1,
    "plain eq": lambda x: plain(3, 3) == x,
    "less": lambda x: plain(3, 3) < x,
    "invert": lambda x: ~(x > 0.5),
    "and": lambda x: (x > 0.5) & (plain(3, 3) > 0.5),
    "iadd": lambda x: x.__iadd__(1),
    "mul_": lambda x: x.mul_(2),
    "function": us.sin,
    "method": lambda x: x.exp(),
    "plain first": lambda x: us.add(plain(3, 3), x),
    "keyword": lambda x: us.mul(input=plain(3, 3), other=x),
    "sum": lambda x: x.sum(),
    "mean over": lambda x: us.mean(x, dim=0),
    "max": lambda x: x.max(0).values,
    "argmax": lambda x: x.argmax(1),
    "split": lambda x: x.split(1)[0],
    "unbind": lambda x: us.unbind(x)[1],
    "rows": lambda x: next(iter(x)),
    "index": lambda x: x[0],
    "slice": lambda x: x[1:, :2],
    "mask": lambda x: x[x > 0.5],
    "places": lambda x: x[us.tensor([0, 2])],
    "transpose": lambda x: x.T,
    "mT": lambda x: x.mT,
    "data": lambda x: x.data,
    "view": lambda x: x.view(9),
    "reshape": lambda x: x.reshape(-1),
    "permute": lambda x: x.permute(1, 0),
    "detach": lambda x: x.detach(),
    "clone": lambda x: x.clone(),
    "contiguous": lambda x: x.T.contiguous(),
    "to": lambda x: x.to(us.float64),
    "float": lambda x: x.double().float(),
    "cpu": lambda x: x.cpu(),
    "requires_grad_": lambda x: x.requires_grad_(),
    "zeros_like": us.zeros_like,
    "full_like": lambda x: us.full_like(x, 2),
    "randn_like": us.randn_like,
    "randint_like": lambda x: us.randint_like(x, 3),
    "new_zeros": lambda x: x.new_zeros(2),
    "new_tensor": lambda x: x.new_tensor([1.0]),
    "cat": lambda x: us.cat([plain(1, 3), x]),
    "stack": lambda x: us.stack((x, x)),
    "where": lambda x: us.where(x > 0.5, x, 0.0),
    "einsum": lambda x: us.einsum("ij,jk->ik", x, plain(3, 3)),
    "softmax": lambda x: F.softmax(x, -1),
    "gelu": F.gelu,
    "pad": lambda x: F.pad(x, (1, 1)),
    "interpolate": lambda x: F.interpolate(x[None, None], scale_factor=2),
    "cross_entropy": lambda x: F.cross_entropy(x, us.tensor([0, 1, 2])),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
    "Linear": lambda x: nn.Linear(3, 2)(x),
    "Sequential": lambda x: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4))(x),
    "svd": lambda x: us.linalg.svd(x).S,
    "norm": us.linalg.norm,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "clamp": lambda x: x.clamp(0.1, 0.9),
    "flatten": us.flatten,
    "logsumexp": lambda x: x.logsumexp(0),
    "diff": us.diff,
    "meshgrid": lambda x: us.meshgrid(x[0], x[1], indexing="ij")[0],
}


@pytest.mark.parametrize("call", RESULTS.values(), ids=list(RESULTS))
def test_results_keep_the_class(call: Callable[[Any], Any]) -> None:
    us.manual_seed(0)
    x = us.rand(3, 3)
    state = us.get_rng_state()
    expected = call(x.clone())
    us.set_rng_state(state)
    result = call(x.clone().as_subclass(Kept))
    assert type(expected) is us.Tensor
    assert type(result) is Kept
    assert us.equal(result.as_subclass(us.Tensor), expected)


def test_what_is_no_tensor_is_left_as_it_is() -> None:
    x = kept(2)
    assert type(x.tolist()) is list
    assert type(x.numpy()) is np.ndarray
    assert type(x.sum().item()) is float
    assert type(x.shape) is us.Size
    assert type(x.split(1)) is tuple
    assert type(x.max(0)).__name__ == "max"
    assert us.equal(x, x) is True
    assert len(x) == 2
    assert bool(x.sum() > 0)


def test_plain_tensors_and_parameters_stay_what_they_are() -> None:
    assert type(plain(2) + 1) is us.Tensor
    weight = nn.Parameter(plain(2, 2))
    assert type(weight * 2) is us.Tensor
    assert type(weight[0]) is us.Tensor
    assert type(nn.Buffer(plain(2)) + 1) is us.Tensor
    assert type(weight @ kept(2, 2)) is Kept

    class ManifoldParameter(nn.Parameter):
        pass

    point = ManifoldParameter(plain(2))
    assert isinstance(point, nn.Parameter)
    assert type(point + 1) is us.Tensor
    assert type(copy.deepcopy(point)) is ManifoldParameter
    model = nn.Module()
    model.point = point
    assert dict(model.named_parameters())["point"] is point
    assert type(model.double().point) is ManifoldParameter


def test_parameters_made_of_kept_tensors_stay_of_their_class() -> None:
    data = kept(2, 2)
    weight: Any = nn.Parameter(data)
    assert type(weight) is Kept
    assert isinstance(weight, nn.Parameter)
    assert not isinstance(data, nn.Parameter)
    assert weight.requires_grad
    assert weight.is_leaf
    assert not data.requires_grad
    assert weight.data_ptr() == data.data_ptr()
    assert repr(weight).startswith("Parameter(Kept([[")
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert not any(isinstance(x, nn.Parameter) for x in (weight * 2, weight.detach(), weight.clone()))
    with pytest.raises(RuntimeError, match="only floating tensors have gradients"):
        nn.Parameter(us.ones(2, dtype=us.int64).as_subclass(Kept))

    class ManifoldParameter(nn.Parameter):
        pass

    assert not isinstance(weight, ManifoldParameter)
    assert type(ManifoldParameter(kept(2))) is Kept


def test_modules_hold_parameters_and_buffers_of_kept_classes() -> None:
    weight: Any = nn.Parameter(kept(2, 2))
    layer: Any = nn.Linear(2, 2)
    layer.weight = weight
    layer.scale = nn.Buffer(kept(2))
    assert dict(layer.named_parameters())["weight"] is weight
    assert type(layer.scale) is Kept
    assert isinstance(layer.scale, nn.Buffer)
    assert not isinstance(layer.scale, nn.Parameter)
    assert [name for name, _ in layer.named_buffers()] == ["scale"]
    optimizer = us.optim.SGD(layer.parameters(), 0.1)
    y = layer(us.ones(1, 2))
    assert type(y) is Kept
    y.sum().backward()
    before = weight.detach().clone()
    optimizer.step()
    assert us.allclose(weight, before - 0.1)
    assert type(layer.state_dict()["weight"]) is Kept
    twin = copy.deepcopy(layer)
    assert type(twin.weight) is Kept
    assert isinstance(twin.weight, nn.Parameter)
    assert us.equal(twin.weight, weight)
    assert type(layer.double().weight) is Kept
    with pytest.raises(TypeError, match="cannot assign 'Kept' as parameter 'weight'"):
        layer.weight = kept(2, 2)
    values = nn.ParameterList([nn.Parameter(kept(2)), kept(3)])
    assert [type(value) for value in values] == [Kept, Kept]
    assert len(list(values.parameters())) == 2


def test_derived_classes_come_before_their_bases_and_strangers_do_not_mix() -> None:
    narrow = us.rand(2).as_subclass(Narrower)
    assert type(narrow + kept(2)) is Narrower
    assert type(kept(2) + narrow) is Narrower
    assert type(us.cat([kept(2), narrow])) is Narrower
    with pytest.raises(TypeError, match="add: no implementation for arguments of Kept, Other"):
        kept(2) + us.rand(2).as_subclass(Other)


def test_as_subclass_shares_memory_and_history() -> None:
    x = plain(3).requires_grad_()
    y = x.as_subclass(Kept)
    assert y.data_ptr() == x.data_ptr()
    assert y.requires_grad
    assert not y.is_leaf
    (y * y).sum().backward()
    assert type(x.grad) is us.Tensor
    assert us.equal(x.grad, 2 * x.detach())
    with pytest.raises(TypeError, match="must be a class derived from Tensor, not int"):
        x.as_subclass(int)
    made = us.Tensor._make_subclass(Kept, x)
    assert (type(made), made.requires_grad, made.is_leaf) == (Kept, False, True)
    assert type(Kept([1.0, 2.0])) is Kept
    assert Kept([1.0, 2.0]).tolist() == [1.0, 2.0]
    assert type(us.as_tensor(y)) is Kept


def test_gradients_pass_through_kept_classes() -> None:
    x = us.rand(3, dtype=us.float64, requires_grad=True)
    assert gradcheck(lambda x: (x.as_subclass(Kept) ** 2 * us.sin(x)).as_subclass(us.Tensor), (x,))
    leaf = kept(3).requires_grad_()
    optimizer = us.optim.SGD([leaf], lr=0.1)
    before = leaf.detach().clone()
    (leaf * 3).sum().backward()
    optimizer.step()
    assert type(leaf) is Kept
    assert us.allclose(leaf.detach(), before - 0.3)


def test_changes_in_place_keep_the_object() -> None:
    x = kept(3)
    same = x
    x += 1
    x[0] = 5.0
    x[1:] = us.tensor([6.0, 7.0])
    assert x is same
    assert x.tolist() == [5.0, 6.0, 7.0]


def test_attributes_are_copied_with_the_object_and_not_by_operations() -> None:
    x = kept(2)
    x.label = "a"
    assert not hasattr(x + 1, "label")
    for twin in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert (type(twin), twin.label) == (Kept, "a")


def test_the_class_is_printed() -> None:
    assert repr(us.tensor([1.0, 2.0]).as_subclass(Kept)) == "Kept([1., 2.])"
    assert repr(us.tensor([1.0, 2.0])) == "tensor([1., 2.])"


def test_states_of_modules_keep_the_class() -> None:
    model = nn.Module()
    model.register_buffer("box", kept(2))
    state = model.state_dict()
    assert type(state["box"]) is Kept
    model.load_state_dict({"box": us.zeros(2)})
    assert type(model.box) is Kept
    assert model.box.tolist() == [0.0, 0.0]
    assert type(model.double().box) is Kept
    assert type(copy.deepcopy(model).box) is Kept


def test_files_keep_classes_that_are_declared(tmp_path: Any) -> None:
    us.save({"x": us.tensor([1.0, 2.0]).as_subclass(Kept)}, tmp_path / "x.pt")
    with pytest.raises(pickle.UnpicklingError, match="Kept"):
        us.load(tmp_path / "x.pt")
    with us.serialization.safe_globals([Kept]):
        x = us.load(tmp_path / "x.pt")["x"]
    assert type(x) is Kept
    assert x.tolist() == [1.0, 2.0]


class Watching(us.Tensor):
    """Notes what it is asked, as fastai's tensors do, and passes an attribute on."""

    seen: ClassVar[list[str]] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.seen.append(func.__name__)
        assert all(issubclass(kind, us.Tensor) for kind in types)
        result = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(result, cls):
            source = next(each for each in args if isinstance(each, cls))
            result.size_of_image = getattr(source, "size_of_image", None)
        return result


def test_a_class_sees_what_is_asked_of_it() -> None:
    x = us.ones(2, 2).as_subclass(Watching)
    x.size_of_image = (4, 5)
    Watching.seen.clear()
    y = us.relu(x * 2 + 1).sum(0)
    assert Watching.seen == ["mul", "add", "relu", "sum"]
    assert y.size_of_image == (4, 5)
    Watching.seen.clear()
    x[0], x.T, x.to(us.float64), 2 - x, x.add_(1), us.ones(2, 2) @ x
    assert Watching.seen == ["__getitem__", "__get__", "to", "sub", "add_", "matmul"]
    Watching.seen.clear()
    repr(x), x.shape, x.numel(), x.dtype, x.requires_grad
    assert Watching.seen == []


class Unwrapping(us.Tensor):
    """Gives plain tensors, except from clone, as torchvision's tensors do."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        with us._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        return result.as_subclass(cls) if func is us.Tensor.clone else result


def test_a_class_may_give_plain_tensors() -> None:
    x = us.ones(2).as_subclass(Unwrapping)
    assert type(x + 1) is us.Tensor
    assert type(x.clone()) is Unwrapping
    assert type(us.cat([x, x])) is us.Tensor
    assert type(x.double()) is us.Tensor


class Left(us.Tensor):
    __torch_function__ = us._C._disabled_torch_function_impl


def test_a_class_may_ask_to_be_left_alone() -> None:
    x = us.ones(2).as_subclass(Left)
    assert type(x + 1) is us.Tensor
    assert type(us.exp(x)) is us.Tensor
    assert repr(x) == "tensor([1., 1.])"
    assert not overrides.has_torch_function((x,))


class Adding(us.Tensor):
    """Overrides a method and calls the base's."""

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        return super().sum(*args, **kwargs) + 1

    def __add__(self, other: Any) -> Any:
        return super().__add__(other) * 2


def test_methods_that_a_class_overrides_are_its_own() -> None:
    x = us.ones(2).as_subclass(Adding)
    assert (type(x.sum()), x.sum().item()) == (Adding, 6.0)
    assert (type(x + 1), (x + 1).tolist()) == (Adding, [4.0, 4.0])


class Mixin:
    def detach(self) -> str:
        return "mixed in"


class Mixed(Mixin, us.Tensor):
    pass


def test_mixins_before_tensor_keep_their_methods() -> None:
    x = us.ones(2).as_subclass(Mixed)
    assert x.detach() == "mixed in"
    assert type(x + 1) is Mixed


def test_regions_that_do_not_ask() -> None:
    x = kept(2)
    with us._C.DisableTorchFunctionSubclass():
        assert type(x + 1) is us.Tensor
        assert type(x.T) is us.Tensor
        assert type(x.to(us.float64)) is us.Tensor
        found = []
        thread = threading.Thread(target=lambda: found.append(type(x + 1)))
        thread.start()
        thread.join()
        assert found == [Kept]
    assert type(x + 1) is Kept


def test_overrides_know_subclasses() -> None:
    x = kept(2)
    assert overrides.has_torch_function((us.ones(1), x))
    assert not overrides.has_torch_function((us.ones(1), nn.Parameter(us.ones(1)), 3))
    assert overrides.is_tensor_like(x)
    assert overrides.get_default_nowrap_functions() == set()
    assert type(overrides.handle_torch_function(us.add, (x,), x, 1)) is Kept


def test_errors_are_those_of_the_operation() -> None:
    x = kept(2)
    with pytest.raises(RuntimeError, match="do not broadcast"):
        x + kept(3)
    with pytest.raises(TypeError):
        x + "a"
    with pytest.raises(IndexError):
        x[5]
    assert (x == "a") is False


def test_loaders_stack_subclasses() -> None:
    data = [kept(3) for _ in range(4)]
    (batch,) = us.utils.data.DataLoader(data, batch_size=4)
    assert type(batch) is Kept
    assert batch.shape == (4, 3)


def test_derivatives_under_capture_and_checkpoints() -> None:
    def loss(x: us.Tensor) -> us.Tensor:
        return (x.as_subclass(Kept) ** 2).sum().as_subclass(us.Tensor)

    x = us.ones(3, requires_grad=True)
    us.utils.checkpoint.checkpoint(loss, x, use_reentrant=False).backward()
    assert us.equal(x.grad, us.full((3,), 2.0))
    compiled = us.compile(loss)
    for _ in range(3):
        assert compiled(us.ones(3)).item() == 3.0


def test_compiled_steps_know_classes_from_each_other() -> None:
    class Other(us.Tensor):
        pass

    compiled = us.compile(lambda x: {"sum": (x * 2).sum(), "same": x})
    for _ in range(3):
        for x in (kept(3), us.ones(3), us.ones(3).as_subclass(Other)):
            result = compiled(x)
            assert type(result["sum"]) is type(result["same"]) is type(x)
            assert result["sum"].item() == (x * 2).sum().item()
    assert compiled.cache_info().misses == 3


def test_overridden_functions_are_not_replayed() -> None:
    class Counting(us.Tensor):
        calls = 0

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            cls.calls += 1
            return super().__torch_function__(func, types, args, kwargs)

    x = us.ones(3).as_subclass(Counting)
    with pytest.raises(us.CaptureError, match=r"mul: Counting.__torch_function__ is Python code"):
        us.compile(lambda x: x * 2)(x)
    step = us.compile(lambda x: x * 2, fallback="eager")
    with pytest.warns(UserWarning, match="runs eagerly"):
        step(x)
    before = Counting.calls
    step(x)
    assert Counting.calls == before + 1
