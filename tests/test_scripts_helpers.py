"""What scripts and packages for PyTorch reach for besides operations: lists, trees, older calls."""

from __future__ import annotations

import importlib
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.interop import as_torch
from unspool.utils import _pytree
from unspool.utils._foreach_utils import _group_tensors_by_device_and_dtype

X, Y, Z = (us.full((2, 2), number) for number in (1.0, 2.0, 3.0))
V = us.ones(2)
B = us.ones(3, 2, 2)


# ---- numbers before tensors ----


@pytest.mark.filterwarnings("ignore:.*older form")
@pytest.mark.parametrize(
    ("older", "expected"),
    [
        (lambda: us.add(X, 2, Y), 5),
        (lambda: X.add(2, Y), 5),
        (lambda: X.clone().add_(-0.5, Y), 0),
        (lambda: us.sub(X, 2, Y), -3),
        (lambda: X.clone().sub_(2, Y), -3),
        (lambda: us.add(X, 2, Y, out=us.empty(2, 2)), 5),
        (lambda: us.addcmul(X, 2, Y, Z), 13),
        (lambda: X.clone().addcdiv_(-1.5, Y, Z), 0),
        (lambda: us.addmm(2, X, 3, Y, Z), 38),
        (lambda: us.addmm(2, X, Y, Z), 14),
        (lambda: X.addmm(2, 3, Y, Z), 38),
        (lambda: X.clone().addmm_(2, Y, Z), 14),
        (lambda: us.addmv(2, V, 3, Y, V), 14),
        (lambda: us.baddbmm(2, B, 3, B, B), 8),
    ],
)
def test_older_calls_have_numbers_before_tensors(older: Any, expected: float) -> None:
    result = older()
    assert (result - expected).abs().max() < 1e-6


@pytest.mark.parametrize(
    "call",
    [
        lambda: us.add(2, X, 3),
        lambda: us.add(X, 2, 3),
        lambda: us.add(2, X, Y),
        lambda: us.mul(X, 2, Y),
        lambda: us.addcmul(X, 1, 2, Y, Z),
        lambda: us.addmm(1, 2, X, Y, Z),
        lambda: us.add(X, "2", Y),
        lambda: us.add(X, 2, Y, alpha=3),
    ],
)
def test_other_calls_with_numbers_before_tensors_are_refused(call: Any) -> None:
    with pytest.raises(TypeError):
        call()


def test_older_calls_have_gradients() -> None:
    x = us.ones(3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        us.add(us.zeros(3), 4, x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4, 4, 4]


def test_randint_like_by_keyword() -> None:
    drawn = us.randint_like(us.zeros(1000), high=2)
    assert drawn.dtype == us.float32
    assert set(drawn.tolist()) == {0, 1}
    assert us.randint_like(us.zeros(9), low=3, high=4).tolist() == [3] * 9
    with pytest.raises(TypeError, match="high"):
        us.randint_like(us.zeros(2))


# ---- lists of tensors ----


def tensors() -> list[us.Tensor]:
    return [us.tensor([1.0, 4.0]), us.tensor([[9.0]])]


@pytest.mark.parametrize(
    ("name", "rest", "keywords", "expected"),
    [
        ("add", (1,), {}, [[2, 5], [[10]]]),
        ("add", (tensors(),), {"alpha": 2}, [[3, 12], [[27]]]),
        ("sub", ([1, 2],), {}, [[0, 3], [[7]]]),
        ("mul", (us.tensor(2.0),), {}, [[2, 8], [[18]]]),
        ("div", (tensors(),), {}, [[1, 1], [[1]]]),
        ("sqrt", (), {}, [[1, 2], [[3]]]),
        ("neg", (), {}, [[-1, -4], [[-9]]]),
        ("reciprocal", (), {}, [[1, 0.25], [[1 / 9]]]),
        ("addcmul", (tensors(), tensors()), {"value": 2}, [[3, 36], [[171]]]),
        ("addcmul", (tensors(), tensors(), 2), {}, [[3, 36], [[171]]]),
        ("addcdiv", (tensors(), tensors(), [1, 2]), {}, [[2, 5], [[11]]]),
        ("lerp", (tensors(), 0.5), {}, [[1, 4], [[9]]]),
        ("maximum", (3,), {}, [[3, 4], [[9]]]),
        ("minimum", ([us.tensor(2.0), us.tensor(5.0)],), {}, [[1, 2], [[5]]]),
        ("clamp_min", (5,), {}, [[5, 5], [[9]]]),
        ("pow", (2,), {}, [[1, 16], [[81]]]),
    ],
)
def test_foreach(name: str, rest: Any, keywords: Any, expected: Any) -> None:
    given = tensors()
    results = getattr(us, f"_foreach_{name}")(given, *rest, **keywords)
    assert isinstance(results, tuple)
    assert [each.tolist() for each in given] == [[1, 4], [[9]]]
    assert getattr(us, f"_foreach_{name}_")(given, *rest, **keywords) is None
    for result, changed, numbers in zip(results, given, expected, strict=True):
        np.testing.assert_allclose(result.numpy(), numbers, rtol=1e-6)
        np.testing.assert_array_equal(changed.numpy(), result.numpy())


def test_foreach_that_only_changes_and_norms() -> None:
    given = tensors()
    us._foreach_zero_(given)
    assert [each.tolist() for each in given] == [[0, 0], [[0]]]
    us._foreach_copy_(given, tensors())
    assert [each.tolist() for each in given] == [[1, 4], [[9]]]
    assert us._foreach_norm(given)[0].item() == pytest.approx(17**0.5)
    assert us._foreach_norm(given, ord=1)[0].item() == 5
    assert not hasattr(us, "_foreach_zero")
    assert not hasattr(us, "_foreach_unknown_")
    with pytest.raises(NotImplementedError, match=r"torch\._foreach_unknown_"):
        us._foreach_unknown_  # noqa: B018


def test_foreach_refuses_other_lists() -> None:
    with pytest.raises(RuntimeError, match="at least one"):
        us._foreach_add_([], 1)
    with pytest.raises(RuntimeError, match="got 2 and 1"):
        us._foreach_add_(tensors(), [us.ones(1)])
    with pytest.raises(TypeError, match="a list of tensors"):
        us._foreach_add_(us.ones(2), 1)


def test_tensors_are_grouped_by_dtype() -> None:
    first = [us.ones(1), us.ones(2, dtype=us.float64), us.ones(3)]
    groups = _group_tensors_by_device_and_dtype([first, [None, None, us.zeros(3)]], with_indices=True)
    assert [places for _, places in groups.values()] == [[0, 2], [1]]
    rows, _ = groups[first[0].device, us.float32]
    assert rows[0][1] is first[2]
    assert rows[1][0] is None


# ---- trees ----

Point = namedtuple("Point", "x y")


def test_trees_are_taken_apart_and_put_together() -> None:
    tree = {
        "a": [1, (2, None)],
        "b": Point(3, deque([4], maxlen=2)),
        "c": OrderedDict(z=5, y=defaultdict(int, k=6)),
    }
    leaves, spec = _pytree.tree_flatten(tree)
    assert leaves == [1, 2, None, 3, 4, 5, 6]
    assert spec.num_leaves == 7
    again = _pytree.tree_unflatten(leaves, spec)
    assert again == tree
    assert type(again["b"]) is Point
    assert again["b"].y.maxlen == 2
    assert type(again["c"]["y"]) is defaultdict
    assert again["c"]["y"].default_factory is int
    assert _pytree.tree_structure(again) == spec
    assert _pytree.tree_leaves(3) == [3]
    with pytest.raises(ValueError, match="7 leaves, got 1"):
        spec.unflatten([1])


def test_trees_are_mapped() -> None:
    assert _pytree.tree_map(lambda a, b: a + b, {"x": 1, "y": (2,)}, {"y": (20,), "x": 10}) == {
        "x": 11,
        "y": (22,),
    }
    assert _pytree.tree_map(len, [(1, 2), "a"], is_leaf=lambda each: isinstance(each, tuple)) == [2, 1]
    assert _pytree.tree_map_only(int, str, [1, 2.0]) == ["1", 2.0]
    assert _pytree.tree_all(lambda each: each > 0, [1, (2,)])
    assert not _pytree.tree_any(lambda each: each > 2, [1, (2,)])
    with pytest.raises(ValueError, match="expected tuple, got list"):
        _pytree.tree_map(max, (1, 2), [1, 2])


def test_classes_become_nodes() -> None:
    class Box:
        def __init__(self, inside: Any) -> None:
            self.inside = inside

    _pytree.register_pytree_node(Box, lambda box: ([box.inside], None), lambda children, _: Box(*children))
    assert _pytree.tree_map(lambda each: each + 1, [Box(1)])[0].inside == 2
    with pytest.raises(ValueError, match="registered already"):
        _pytree.register_pytree_node(Box, lambda box: ([], None), lambda children, _: Box(0))
    del _pytree.SUPPORTED_NODES[Box]


# ---- names that are imported and not called, and questions ----


def test_transforms_can_be_imported_and_raise_when_called() -> None:
    from unspool.fft import irfft, rfft2

    with pytest.raises(NotImplementedError, match=r"torch\.fft\.irfft .*numpy\.fft"):
        irfft(us.ones(3))
    with pytest.raises(NotImplementedError, match=r"torch\.fft\.rfft2 "):
        rfft2(us.ones(3, 3))


@pytest.mark.parametrize("count", [1, 4, 5])
def test_frequencies(count: int) -> None:
    np.testing.assert_allclose(us.fft.fftfreq(count, 0.5).numpy(), np.fft.fftfreq(count, 0.5))
    np.testing.assert_allclose(us.fft.rfftfreq(count, 0.5).numpy(), np.fft.rfftfreq(count, 0.5))
    grid = us.arange(3 * count).reshape(3, count)
    for dim in (None, 0, (0, 1)):
        shifted = us.fft.fftshift(grid, dim)
        np.testing.assert_array_equal(shifted.numpy(), np.fft.fftshift(grid.numpy(), dim))
        assert us.equal(us.fft.ifftshift(shifted, dim), grid)


def test_autocast_can_be_asked() -> None:
    assert not us.is_autocast_enabled()
    assert not us.is_autocast_cpu_enabled()
    assert us.get_autocast_dtype("cpu") == us.get_autocast_cpu_dtype() == us.bfloat16
    assert us.get_autocast_gpu_dtype() == us.float16
    with us.autocast("cpu", dtype=us.float16):
        assert us.is_autocast_enabled("cpu")
        assert not us.is_autocast_enabled("cuda")
        assert us.get_autocast_cpu_dtype() == us.float16
        with us.autocast("cpu", enabled=False):
            assert not us.is_autocast_cpu_enabled()
        assert us.autocast("cuda")(us.is_autocast_enabled)()
    assert not us.is_autocast_cpu_enabled()


def test_what_a_compiler_would_be_told() -> None:
    @us.compiler.disable(reason="to see")
    def double(x: us.Tensor) -> us.Tensor:
        return 2 * x

    assert us.compiler.disable(double) is double
    assert double(us.ones(1)).item() == 2
    assert us.compile(lambda x: double(x) + 1)(us.ones(1)).item() == 3
    assert not us.compiler.is_compiling()


@pytest.mark.usefixtures("no_torch")
def test_scripts_see_the_version_of_pytorch_that_is_followed() -> None:
    own = us.__version__
    with as_torch():
        torch = importlib.import_module("torch")
        assert (
            torch.__version__
            == importlib.import_module("torch.version").__version__
            == f"2.13.0+unspool.{own}"
        )
    assert us.__version__ == us.version.__version__ == own


def test_small_helpers() -> None:
    us._assert(True, "fine")
    with pytest.raises(AssertionError, match="not fine"):
        us._assert(False, "not fine")
    us.testing.assert_allclose(us.ones(2), [1.0, 1.0])
    with pytest.raises(AssertionError):
        us.testing.assert_allclose(us.ones(2), [1.0, 1.5])
    assert us.functional.einsum is us.einsum
    assert not us.nn.functional.has_torch_function((X,))
    with pytest.raises(NotImplementedError, match="load_state_dict_from_url"):
        us.utils.model_zoo.load_url("https://example.org/model.pth")


def test_process_groups_have_a_class_and_no_members() -> None:
    from unspool.distributed import ProcessGroup, group
    from unspool.distributed.optim import ZeroRedundancyOptimizer

    assert group.WORLD is None
    with pytest.raises(RuntimeError, match="one process"):
        ProcessGroup()
    with pytest.raises(RuntimeError, match="one process"):
        ZeroRedundancyOptimizer([us.ones(1)])


def test_distributions_of_other_packages_draw_standard_normal_numbers() -> None:
    from unspool.distributions.utils import _standard_normal

    us.manual_seed(3)
    drawn = _standard_normal((4, 5), dtype=us.float64, device="cpu")
    us.manual_seed(3)
    assert us.equal(drawn, us.normal(us.zeros(4, 5, dtype=us.float64), 1.0))
