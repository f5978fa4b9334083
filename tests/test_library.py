"""Operations of scripts' own under names, paths in trees, and other things that libraries reach for."""

from __future__ import annotations

import importlib
import importlib.util
import typing
from collections import OrderedDict, deque, namedtuple
from typing import Any

import pytest

import unspool as us
from unspool import nn
from unspool.interop import as_torch
from unspool.utils import _pytree

Pair = namedtuple("Pair", ["first", "second"])


def test_an_operation_has_the_derivative_that_was_registered() -> None:
    @us.library.custom_op("tests::scaled", mutates_args=())
    def scaled(x: us.Tensor, factor: float = 2.0, *, shift: float = 0.0) -> us.Tensor:
        return us.from_numpy(x.detach().numpy() * factor + shift)

    scaled.register_fake(lambda x, factor, *, shift: us.empty_like(x))
    x = us.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="tests::scaled has no derivative"):
        scaled(x).sum().backward()

    def setup(ctx: Any, inputs: Any, keyword_only_inputs: Any, output: us.Tensor) -> None:
        assert keyword_only_inputs == {"shift": 1.0}
        ctx.factor = inputs[1]

    us.library.register_autograd("tests::scaled", lambda ctx, g: (ctx.factor * g, None), setup_context=setup)
    result = us.ops.tests.scaled(x, 3.0, shift=1.0)
    assert result.tolist() == [4.0, 4.0, 4.0]
    result.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0, 3.0]
    assert not scaled(us.ones(2)).requires_grad


def test_a_kernel_for_the_processor_takes_over() -> None:
    made = us.library.custom_op("tests::one", lambda x: x + 1, mutates_args=())
    made.register_kernel("cuda", lambda x: x + 3)
    assert made(us.zeros(1)).item() == 1.0
    made.register_kernel("cpu")(lambda x: x + 2)
    assert us.ops.tests.one(us.zeros(1)).item() == 2.0


def test_operations_that_are_not_there_are_named() -> None:
    with pytest.raises(ValueError, match="namespace::name"):
        us.library.custom_op("plain", lambda x: x, mutates_args=())
    with pytest.raises(ValueError, match="no operation 'tests::none'"):
        us.library.register_autograd("tests::none", lambda x: x)
    us.library.custom_op("tests::some", lambda x: x, mutates_args=())
    with pytest.raises(AttributeError, match="tests::none"):
        _ = us.ops.tests.none
    assert not hasattr(us.ops, "nowhere")
    with pytest.raises(NotImplementedError, match="custom_op"):
        us.library.Library("tests", "DEF")


def test_leaves_are_found_by_their_paths() -> None:
    tree = {"x": [1, (2, 3)], "n": Pair(4, OrderedDict(k=5)), "d": deque([6])}
    leaves, spec = _pytree.tree_flatten_with_path(tree)
    assert [_pytree.keystr(path) for path, _ in leaves] == [
        "['x'][0]",
        "['x'][1][0]",
        "['x'][1][1]",
        "['n'].first",
        "['n'].second['k']",
        "['d'][0]",
    ]
    assert all(_pytree.key_get(tree, path) == leaf for path, leaf in leaves)
    assert spec == _pytree.tree_structure(tree)
    doubled = _pytree.tree_map_with_path(lambda path, a, b: (len(path), a + b), tree, tree)
    assert doubled["n"] == Pair((2, 8), OrderedDict(k=(3, 10)))
    assert _pytree.tree_map_with_path(print, []) == []


def test_registered_classes_need_keys_for_paths() -> None:
    class Box:
        def __init__(self, inside: int) -> None:
            self.inside = inside

    class Plain(Box):
        pass

    key = _pytree.GetAttrKey("inside")
    _pytree.register_pytree_node(
        Box,
        lambda box: ([box.inside], None),
        lambda children, _: Box(*children),
        flatten_with_keys_fn=lambda box: ([(key, box.inside)], None),
    )
    _pytree.register_pytree_node(
        Plain, lambda box: ([box.inside], None), lambda children, _: Plain(*children)
    )
    assert _pytree.tree_leaves_with_path([Box(3)]) == [((_pytree.SequenceKey(0), key), 3)]
    with pytest.raises(ValueError, match="flatten_with_keys_fn was registered for Plain"):
        _pytree.tree_leaves_with_path(Plain(3))


def test_type_hints_of_modules_can_be_looked_up() -> None:
    class Mine(nn.Linear):
        width: int

    hints = typing.get_type_hints(Mine)
    assert hints["width"] is int
    assert hints["training"] is bool


@pytest.mark.usefixtures("no_torch")
def test_packages_that_cannot_be_used_are_not_found() -> None:
    with as_torch():
        assert importlib.util.find_spec("torchaudio") is None
        assert importlib.util.find_spec("torch.no_such_module") is None
        assert importlib.util.find_spec("torch.nn") is not None
        assert importlib.util.find_spec("json") is not None
        with pytest.raises(ImportError, match="built on PyTorch's binaries"):
            importlib.import_module("torchaudio")
    assert importlib.util.find_spec.__module__ == "importlib.util"


def test_settings_of_the_recorder_of_bytecode_have_no_effect() -> None:
    dynamo = us._dynamo
    dynamo.config.suppress_errors = True
    dynamo.config.suppress_errors = False

    @dynamo.disable
    def twice(x: us.Tensor) -> us.Tensor:
        dynamo.graph_break()
        return 2 * x

    assert twice(us.ones(1)).item() == 2.0
    assert not isinstance(us.compile(nn.Linear(2, 2)), dynamo.OptimizedModule)
    assert issubclass(dynamo.exc.Unsupported, RuntimeError)
    with pytest.raises(NotImplementedError, match=r"unspool\.compile"):
        dynamo.OptimizedModule(nn.Linear(2, 2))
    block = importlib.import_module("unspool._dynamo._trace_wrapped_higher_order_op")
    rows = us.arange(6.0).reshape(3, 2)
    with block.TransformGetItemToIndex():
        assert us.vmap(lambda i: rows[i, 1])(us.tensor([2, 0])).tolist() == [5.0, 1.0]


def test_saved_tensors_stay_where_they_are() -> None:
    graph = us.autograd.graph
    x = us.ones(2, requires_grad=True)
    with graph.save_on_cpu(pin_memory=True), graph.disable_saved_tensors_hooks("none here"):
        (x * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]
    assert isinstance((x * 2).grad_fn, graph.Node)
    with pytest.raises(NotImplementedError, match=r"utils\.checkpoint"):
        graph.saved_tensors_hooks(lambda t: t, lambda t: t)


def test_graphs_of_a_device_can_be_named() -> None:
    assert us.cuda.default_generators == ()
    for name in ("CUDAGraph", "StreamContext", "graph"):
        with pytest.raises(RuntimeError, match=name):
            getattr(us.cuda, name)()


def test_conditions_that_do_not_hold_raise() -> None:
    us._check(True)
    us._check_tensor_all(us.ones(3) > 0)
    for check, error in (
        (us._check, RuntimeError),
        (us._check_value, ValueError),
        (us._check_index, IndexError),
        (us._check_type, TypeError),
        (us._check_not_implemented, NotImplementedError),
    ):
        with pytest.raises(error, match="as I said"):
            check(False, lambda: "as I said")
    with pytest.raises(KeyError, match="mine"):
        us._check_with(KeyError, False, lambda: "mine")
    with pytest.raises(RuntimeError, match="Expected cond to be True"):
        us._check_is_size(-1)
    with pytest.raises(RuntimeError, match="some are"):
        us._check_tensor_all(us.tensor([True, False]), lambda: "some are not")
    with pytest.raises(TypeError, match="_check_tensor_all"):
        us._check(us.tensor(True))
    with pytest.raises(TypeError, match=r"_check\(\)"):
        us._check_tensor_all(True)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 8, 13])
def test_scans_of_an_associative_operation(size: int) -> None:
    scan = importlib.import_module("unspool._higher_order_ops.associative_scan").associative_scan
    us.manual_seed(0)
    x = us.randn(2, size, 3, dtype=us.float64).requires_grad_()
    added = scan(us.add, x, 1)
    assert us.allclose(added, x.cumsum(1), rtol=1e-12)
    assert us.allclose(scan(us.add, x, -2, reverse=True), x.flip(1).cumsum(1).flip(1), rtol=1e-12)
    (slope,) = us.autograd.grad((added * x.detach()).sum(), x)
    assert us.allclose(slope, x.flip(1).cumsum(1).flip(1), rtol=1e-12)

    def joined(first: Any, second: Any) -> Any:
        return {"a": first["a"] * second["a"], "b": second["a"] * first["b"] + second["b"]}

    given = {"a": us.rand(2, size, dtype=us.float64), "b": us.rand(2, size, dtype=us.float64)}
    state, found = us.zeros(2, dtype=us.float64), scan(joined, given, 1, combine_mode="generic")["b"]
    for i in range(size):
        state = given["a"][:, i] * state + given["b"][:, i]
        assert us.allclose(found[:, i], state, rtol=1e-12)


def test_scans_name_what_does_not_fit() -> None:
    scan = importlib.import_module("unspool._higher_order_ops.associative_scan").associative_scan
    with pytest.raises(ValueError, match="one size along dimension 0"):
        scan(lambda a, b: b, (us.ones(2), us.ones(3)), 0)
    with pytest.raises(ValueError, match="a tree of tensors"):
        scan(lambda a, b: b, [], 0)
    with pytest.raises(ValueError, match="combine_mode"):
        scan(us.add, us.ones(2), 0, combine_mode="other")


def test_what_load_state_dict_gives_has_pytorchs_name_too() -> None:
    module = importlib.import_module("unspool.nn.modules.module")
    missing = nn.Linear(2, 2).load_state_dict({"weight": us.zeros(2, 2)}, strict=False)
    assert isinstance(missing, module._IncompatibleKeys)
