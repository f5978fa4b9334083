"""Module: attributes and registries, walking the tree, modes, conversions, copies."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn.modules import module as module_file


class Block(nn.Module):
    """A module with one of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(us.ones(2))
        self.register_parameter("shift", None)
        self.register_buffer("count", us.zeros((), dtype=us.int64))
        self.register_buffer("cache", us.zeros(2), persistent=False)
        self.inner = nn.Linear(2, 2)
        self.name = "block"

    def forward(self, x: Any) -> Any:
        return self.inner(x) * self.scale


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.second = Block()
        self.shared = self.first.inner

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x))


# Attributes -----------------------------------------------------------------------------------------------


def test_members_are_plain_attributes_and_live_dictionary_entries() -> None:
    block = Block()
    for name, registry in (("scale", "_parameters"), ("count", "_buffers"), ("inner", "_modules")):
        assert block.__dict__[name] is getattr(block, registry)[name]
    assert block.shift is None
    assert list(block._parameters) == ["scale", "shift"]


def test_the_registries_may_be_edited_directly() -> None:
    linear = nn.Linear(2, 2)
    weight = linear.weight
    del linear._parameters["weight"]
    assert not hasattr(linear, "weight")
    linear.weight = weight.detach() * 2
    assert "weight" not in dict(linear.named_parameters())
    assert linear(us.ones(1, 2)).shape == (1, 2)
    del linear.weight
    linear._parameters["weight"] = weight
    assert linear.weight is weight
    assert linear._parameters.pop("bias") is not None
    assert not hasattr(linear, "bias")
    linear._parameters.update(bias=None)
    assert linear.bias is None
    linear._buffers.setdefault("extra", us.ones(1))
    assert linear.extra.item() == 1.0
    linear._buffers.clear()
    assert not hasattr(linear, "extra")
    assert linear._parameters.popitem() == ("bias", None)
    with pytest.raises(KeyError):
        linear._parameters.pop("bias")
    assert linear._parameters.pop("bias", 3) == 3


def test_replacing_a_registry_replaces_the_attributes() -> None:
    linear = nn.Linear(2, 2)
    weight = linear.weight
    linear._parameters = OrderedDict(other=weight)
    assert linear.other is weight
    assert not hasattr(linear, "weight")


def test_assignment_moves_a_name_between_kinds() -> None:
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(us.ones(1))
    assert list(module._parameters) == ["x"]
    module.x = nn.Linear(1, 1)
    assert (list(module._parameters), list(module._modules)) == ([], ["x"])
    module.x = nn.Buffer(us.ones(1), persistent=False)
    assert (list(module._buffers), list(module._modules), module.x.persistent) == (["x"], [], False)
    assert list(module.state_dict()) == []
    module.x = us.zeros(1)
    assert module._buffers["x"].item() == 0.0
    module.x = None
    assert (module.x, module._buffers["x"]) == (None, None)
    del module.x
    assert not hasattr(module, "x")


def test_a_member_is_only_replaced_by_its_own_kind() -> None:
    block = Block()
    with pytest.raises(TypeError, match=r"'Tensor' as parameter 'scale' of Block"):
        block.scale = us.ones(2)
    with pytest.raises(TypeError, match=r"'int' as submodule 'inner'"):
        block.inner = 3
    with pytest.raises(TypeError, match=r"'float' as buffer 'count'"):
        block.count = 0.5
    block.scale = None
    assert dict(block.named_parameters()).keys() == {"inner.weight", "inner.bias"}


def test_hidden_modules_stay_hidden() -> None:
    module = nn.Module()
    module.__dict__["teacher"] = nn.Linear(1, 1)
    module.list = [nn.Linear(1, 1)]
    assert list(module.parameters()) == []
    assert isinstance(module.teacher, nn.Linear)


def test_assignment_before_init_says_what_to_do() -> None:
    class Forgetful(nn.Module):
        def __init__(self, member: Any) -> None:
            self.member = member

    for member in (nn.Parameter(us.ones(1)), nn.Linear(1, 1), nn.Buffer(us.ones(1))):
        with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call.*super\(\).__init__\(\)"):
            Forgetful(member)
    plain = Forgetful(3)
    assert plain.member == 3
    with pytest.raises(AttributeError, match=r"Module.__init__\(\) has not been called"):
        plain.parameters_of = plain._parameters


def test_a_missing_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        nn.Linear(1, 1).wieght  # noqa: B018


def test_a_subclass_may_fall_back_to_the_wrapped_module() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 3)

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inner, name)

    wrapper = Wrapper()
    assert wrapper.out_features == 3
    assert wrapper.weight is wrapper.inner.weight


def test_a_member_does_not_hide_what_its_class_calls_the_same() -> None:
    class Blocks(nn.Module):
        kind = "blocks"

        def __init__(self) -> None:
            super().__init__()
            self.parameters: Any = []  # hides the method until the list becomes a member
            self.first = nn.Linear(2, 3)
            self.parameters.extend(self.first.parameters())
            self.parameters = nn.ParameterList(self.parameters)
            self.kind = nn.Linear(1, 1)  # type: ignore[assignment]

    for module in (Blocks(), copy.deepcopy(Blocks())):
        assert [p.shape for p in module.parameters()] == [(3, 2), (3,), (1, 1), (1,)]
        names = ["first.weight", "first.bias", "parameters.0", "parameters.1", "kind.weight", "kind.bias"]
        assert list(module.state_dict()) == names
        assert module.kind == "blocks"
        del module.kind
        assert list(module._modules) == ["first", "parameters"]


def test_init_takes_no_arguments() -> None:
    with pytest.raises(TypeError, match="width="):
        nn.Module(width=3)


def test_forward_has_to_be_defined() -> None:
    with pytest.raises(NotImplementedError, match=r"Module \[Module\] is missing the required"):
        nn.Module()(1)


def test_dir_lists_members_but_not_numbers() -> None:
    names = dir(nn.Sequential(nn.Linear(1, 1)))
    assert "forward" in names
    assert "0" not in names
    assert {"scale", "inner", "count"} <= set(dir(Block()))


def test_a_dropped_module_is_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        net = Net()
        references = [weakref.ref(net), weakref.ref(net.first.inner.weight)]
        net(us.ones(1, 2))
        del net
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()


# Registering ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["register_parameter", "register_buffer", "add_module", "register_module"])
def test_names_are_checked(call: str) -> None:
    module = Block()
    for name, error, words in (
        ("a.b", KeyError, "dots"),
        ("", KeyError, "empty"),
        ("name", KeyError, "already exists"),
        ("forward", KeyError, "already exists"),
        (3, TypeError, "int"),
    ):
        with pytest.raises(error, match=words):
            getattr(module, call)(name, None)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Module().register_parameter("p", us.ones(1)), TypeError, "Tensor"),
        (lambda: nn.Module().register_buffer("b", 1.0), TypeError, "float"),
        (lambda: nn.Module().add_module("m", 1.0), TypeError, "float is not a Module"),
        (lambda: nn.Parameter([1.0]), TypeError, "list"),
        (lambda: nn.Buffer([1.0]), TypeError, "list"),
    ],
)
def test_values_are_checked(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_process_wide_registration_hooks_see_and_replace_members() -> None:
    seen: list[str] = []

    def double(module: Any, name: str, parameter: Any) -> Any:
        seen.append(name)
        return None if parameter is None else nn.Parameter(parameter.detach() * 2)

    with module_file.register_module_parameter_registration_hook(double):
        module = nn.Module()
        module.p = nn.Parameter(us.ones(1))
    module.q = nn.Parameter(us.ones(1))
    assert (seen, module.p.item()) == (["p"], 2.0)


# Walking --------------------------------------------------------------------------------------------------


def test_names_are_dotted_and_shared_members_come_once() -> None:
    net = Net()
    assert [name for name, _ in net.named_modules()] == ["", "first", "first.inner", "second", "second.inner"]
    assert [name for name, _ in net.named_modules(prefix="net", remove_duplicate=False)] == [
        "net",
        "net.first",
        "net.first.inner",
        "net.second",
        "net.second.inner",
        "net.shared",
    ]
    assert [name for name, _ in net.named_parameters()] == [
        "first.scale",
        "first.inner.weight",
        "first.inner.bias",
        "second.scale",
        "second.inner.weight",
        "second.inner.bias",
    ]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 8
    assert [name for name, _ in net.first.named_parameters(prefix="x", recurse=False)] == ["x.scale"]
    assert [name for name, _ in net.named_buffers()] == [
        "first.count",
        "first.cache",
        "second.count",
        "second.cache",
    ]
    assert [name for name, _ in net.named_children()] == ["first", "second", "shared"]
    assert len(list(net.modules())) == 5
    assert len(list(net.parameters())) == 6
    assert list(net.buffers(recurse=False)) == []
    net.also = net.first
    assert [name for name, _ in net.named_children()] == ["first", "second", "shared"]


def test_deep_trees_are_walked_without_recursion() -> None:
    root = module = nn.Module()
    for _ in range(3000):
        module.child = nn.Module()
        module = module.child
    module.p = nn.Parameter(us.ones(1))
    (name,) = dict(root.named_parameters())
    assert name.count(".") == 3000
    # Taken apart from the inside: objects this deep would be freed by recursion.
    for node in reversed(list(root.modules())):
        node._modules.clear()


def test_members_by_path() -> None:
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("first.inner") is net.first.inner
    assert net.get_parameter("second.inner.bias") is net.second.inner.bias
    assert net.get_buffer("second.count") is net.second.count
    net.set_submodule("first.inner", nn.Identity())
    assert isinstance(net.first.inner, nn.Identity)
    for call, path, words in (
        (net.get_submodule, "first.outer.x", "Block at 'first' has no attribute `outer`"),
        (net.get_submodule, "first.name", "`first.name` is not an nn.Module but str"),
        (net.get_parameter, "first.count", "`count` is not an nn.Parameter"),
        (net.get_buffer, "first.nothing", "Block has no attribute `nothing`"),
    ):
        with pytest.raises(AttributeError, match=words):
            call(path)
    with pytest.raises(ValueError, match="target"):
        net.set_submodule("", nn.Identity())
    with pytest.raises(AttributeError, match="nothing"):
        net.set_submodule("first.nothing", nn.Identity(), strict=True)


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    Block().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "Block"]


# Modes and conversions ------------------------------------------------------------------------------------


def test_modes_reach_everything_below_even_where_train_is_overridden() -> None:
    class Frozen(nn.Linear):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    net = nn.Sequential(Frozen(1, 1), Block())
    assert net.train() is net
    assert [module.training for module in net.modules()] == [True, False, True, True]
    assert not any(module.training for module in net.eval().modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")  # type: ignore[arg-type]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_zero_grad_drops_gradients_or_fills_them() -> None:
    linear = nn.Linear(2, 1)
    linear(us.ones(1, 2)).sum().backward()
    linear.zero_grad(set_to_none=False)
    assert linear.weight.grad.tolist() == [[0.0, 0.0]]
    linear.zero_grad()
    assert linear.weight.grad is None


def test_conversion_keeps_parameters_the_same_objects_and_integers_integers() -> None:
    block = Block()
    block(us.ones(1, 2)).sum().backward()
    before = dict(block.named_parameters())
    assert block.double() is block
    for name, parameter in block.named_parameters():
        assert parameter is before[name]
        assert block.get_parameter(name) is parameter
        assert (parameter.dtype, parameter.grad.dtype) == (us.float64, us.float64)
        assert parameter.is_leaf
        assert parameter.requires_grad
    assert (block.count.dtype, block.cache.dtype) == (us.int64, us.float64)
    assert block._buffers["cache"] is block.cache
    block.float().to("cpu").to(us.float64).to(us.device("cpu"), us.float32).to(us.ones(1, dtype=us.float64))
    assert block.scale.dtype == us.float64
    block.to(dtype=us.float32, device="cpu", non_blocking=True)
    assert block.scale.dtype == us.float32


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Linear(1, 1).to(us.int64), TypeError, "floating point"),
        (lambda: nn.Linear(1, 1).to([1]), TypeError, "list"),
        (lambda: nn.Linear(1, 1).to(color="red"), TypeError, "color"),
    ],
)
def test_bad_conversions_are_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


# Copies, files, text --------------------------------------------------------------------------------------


def test_copies_are_independent_and_keep_sharing_within() -> None:
    net = Net()
    x = us.ones(1, 2)
    expected = net(x).detach().numpy()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.shared is other.first.inner
        assert other.first.inner.weight is other.first.inner._parameters["weight"]
        assert other.first.name == "block"
        assert np.array_equal(other(x).detach().numpy(), expected)
        with us.no_grad():
            other.first.inner.weight.zero_()
        assert np.array_equal(net(x).detach().numpy(), expected)
        assert [n for n, _ in other.named_buffers()] == [n for n, _ in net.named_buffers()]
        assert list(other.state_dict()) == list(net.state_dict())
        other.first.scale = nn.Parameter(us.zeros(2))
        assert other.first._parameters["scale"] is other.first.scale


def test_a_shallow_copy_shares_its_members_but_not_its_registries() -> None:
    linear = nn.Linear(2, 2)
    other = copy.copy(linear)
    assert other.weight is linear.weight
    del other._parameters["weight"]
    assert linear.weight is linear._parameters["weight"]


def test_parameters_keep_class_values_and_flags_through_copies() -> None:
    parameter = nn.Parameter(us.tensor([1.0, 2.0]), requires_grad=False)
    parameter.tag = "frozen"
    for other in (copy.deepcopy(parameter), pickle.loads(pickle.dumps(parameter))):
        assert type(other) is nn.Parameter
        assert (other.tolist(), other.requires_grad, other.tag) == ([1.0, 2.0], False, "frozen")
    pair = copy.deepcopy([parameter, parameter])
    assert pair[0] is pair[1]
    assert repr(nn.Parameter(us.ones(1))).startswith("Parameter containing:\ntensor([1.]")
    assert type(parameter + 1) is us.Tensor


def test_repr_is_a_tree() -> None:
    net = nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), body=nn.Sequential(nn.Tanh(), nn.Linear(3, 1))))
    assert repr(net) == (
        "Sequential(\n"
        "  (hidden): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (body): Sequential(\n"
        "    (0): Tanh()\n"
        "    (1): Linear(in_features=3, out_features=1, bias=True)\n"
        "  )\n"
        ")"
    )


def test_the_paths_that_scripts_import_exist() -> None:
    from unspool.nn.modules.activation import ReLU
    from unspool.nn.modules.container import ModuleList
    from unspool.nn.modules.dropout import Dropout
    from unspool.nn.modules.linear import Linear, NonDynamicallyQuantizableLinear
    from unspool.nn.modules.loss import MSELoss
    from unspool.nn.modules.module import Module
    from unspool.nn.parameter import Parameter
    from unspool.optim.lr_scheduler import StepLR
    from unspool.optim.optimizer import Optimizer

    assert (ReLU, ModuleList, Dropout, Linear) == (nn.ReLU, nn.ModuleList, nn.Dropout, nn.Linear)
    assert (MSELoss, Module, Parameter) == (nn.MSELoss, nn.Module, nn.Parameter)
    assert issubclass(NonDynamicallyQuantizableLinear, Linear)
    assert (Optimizer, StepLR) == (us.optim.Optimizer, us.optim.lr_scheduler.StepLR)


class _Named:
    """A class of another kind, whose parts a module also has."""

    def __init__(self, name: str, size: int = 1) -> None:
        self.name, self.size = name, size


class _NamedLinear(nn.Linear, _Named):
    def __init__(self) -> None:
        nn.Linear.__init__(self, 2, 3)
        _Named.__init__(self, "a", size=4)


class _NamedTogether(nn.Module, _Named):
    call_super_init = True

    def __init__(self) -> None:
        super().__init__("b", size=5)
        self.weight = nn.Parameter(us.ones(1))


class _NamedBefore(_Named, nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        _Named.__init__(self, "c")
        self.inner = nn.Linear(1, 1)


def test_a_module_leaves_other_bases_to_its_class() -> None:
    module = _NamedLinear()
    assert (module.name, module.size) == ("a", 4)
    assert [name for name, _ in module.named_parameters()] == ["weight", "bias"]
    assert module(us.ones(5, 2)).shape == (5, 3)
    assert copy.deepcopy(module).name == "a"


def test_a_module_may_ask_for_its_other_bases() -> None:
    module = _NamedTogether()
    assert (module.name, module.size) == ("b", 5)
    assert list(module.state_dict()) == ["weight"]
    before = _NamedBefore()
    assert (before.name, before.size) == ("c", 1)
    assert list(before.state_dict()) == ["inner.weight", "inner.bias"]


def test_a_module_without_other_bases_takes_no_arguments() -> None:
    with pytest.raises(TypeError, match=r"Module\.__init__\(\) takes no arguments, got int, size="):
        nn.Module(1, size=2)
