"""Corners of calls that PyTorch documents or its databases of operations try: who must be a tensor, what is
shared, what may be expanded, and which derivatives exist."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
from unspool import Tensor

INTEGERS = us.tensor([12, 18])
REALS = us.tensor([0.5, 2.0])


@pytest.mark.parametrize(
    "function",
    [
        us.bitwise_and,
        us.bitwise_or,
        us.bitwise_xor,
        us.bitwise_left_shift,
        us.bitwise_right_shift,
        us.remainder,
        us.xlogy,
        us.special.xlogy,
        us.special.xlog1py,
        us.special.zeta,
    ],
)
def test_one_operand_must_be_a_tensor(function: Callable[..., Tensor]) -> None:
    with pytest.raises(TypeError, match="must be a Tensor"):
        function(2, 3)
    assert function(us.tensor(2), 3).item() == function(2, us.tensor(3)).item()


def test_numbers_alone_are_added_multiplied_and_divided() -> None:
    assert [us.add(2, 3).item(), us.sub(2, 3).item(), us.mul(2, 3).item()] == [5, -1, 6]
    assert [us.div(3, 2).item(), us.floor_divide(7, 2).item()] == [1.5, 3]


@pytest.mark.parametrize(
    ("function", "x"),
    [(us.gcd, INTEGERS), (us.lcm, INTEGERS), (us.hypot, REALS), (us.nextafter, REALS)],
)
def test_both_operands_must_be_tensors(function: Callable[..., Tensor], x: Tensor) -> None:
    with pytest.raises(TypeError, match="'other' must be Tensor"):
        function(x, 2)
    assert function(x, us.tensor(2).to(x.dtype)).shape == x.shape


def test_functions_that_change_nothing_give_the_tensor_itself() -> None:
    for x in (REALS, INTEGERS, us.tensor(1.0), us.zeros(0)):
        assert us.positive(x) is x
        assert us.conj_physical(x) is x
        assert (+x) is x
    with pytest.raises(RuntimeError, match=r"positive.*bool"):
        us.positive(us.tensor([True]))
    x = us.tensor([1.0, -2.0], requires_grad=True)
    us.positive(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1]


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize(
    "x", [us.tensor(1.5), us.tensor([1.5]), us.tensor([[1.0], [2.0]]), us.ones(1).expand(3)]
)
def test_repeated_elements_have_memory_of_their_own(x: Tensor, repeats: int) -> None:
    before = x.tolist()
    repeated = us.repeat_interleave(x, repeats)
    repeated += us.arange(repeated.numel())
    assert repeated.tolist() == [
        v + i for i, v in enumerate(v for v in x.reshape(-1).tolist() for _ in range(repeats))
    ]
    assert x.tolist() == before


def test_view_copy_shows_what_a_copy_would() -> None:
    x = us.arange(6).reshape(2, 3).t()
    assert us.view_copy(x, (2, 3)).tolist() == [[0, 3, 1], [4, 2, 5]]
    assert us.view_copy(us.tensor([1.0]), us.int32).tolist() == [0x3F800000]
    with pytest.raises(RuntimeError):
        us.view_copy(x, (4, 2))


def test_a_constant_may_be_written_to_an_expanded_tensor() -> None:
    base = us.arange(3.0).reshape(3, 1)
    shown = base.expand(3, 4)
    assert shown.fill_(7).tolist() == [[7.0] * 4] * 3
    assert shown.zero_() is shown
    assert base.tolist() == [[0.0], [0.0], [0.0]]
    assert us.zeros(1).expand(2, 3).fill_(us.tensor(2.5)).tolist() == [[2.5] * 3] * 2
    assert us.zeros(2, 3).t().fill_(1).tolist() == [[1.0, 1.0]] * 3
    with pytest.raises(RuntimeError, match="share one place"):
        shown.add_(1)
    leaf = us.ones(1, requires_grad=True)
    changed = leaf * 3
    changed.expand(4).zero_()
    (changed + leaf).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [1]


def test_float_power_in_place_needs_float64() -> None:
    for x in (REALS, INTEGERS, REALS.half()):
        with pytest.raises(RuntimeError, match=r"float_power_.*float64"):
            x.clone().float_power_(2)
    assert REALS.double().float_power_(us.tensor([2, 3])).tolist() == [0.25, 8.0]


def test_nonzero_has_an_out_for_the_matrix_only() -> None:
    x = us.tensor([[0, 1], [2, 0]])
    out = us.empty(0, dtype=us.int64)
    assert us.nonzero(x, out=out) is out
    assert out.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(TypeError, match="as_tuple"):
        us.nonzero(x, as_tuple=True, out=(out, out))


@pytest.mark.parametrize("reduce", [us.sum, us.mean, us.amax, us.amin, us.prod, us.all, us.aminmax, us.var])
def test_reductions_take_up_to_64_dimensions(reduce: Callable[[Tensor], Any]) -> None:
    reduce(us.zeros([1] * 63 + [2]))
    with pytest.raises(RuntimeError, match="up to 64 dims"):
        reduce(us.zeros(2).reshape([1] * 64 + [2]))


@pytest.mark.parametrize("needed", ["prod", "fractional_max_pool2d", "fractional_max_pool3d"])
def test_gradients_of_nothing_can_be_differentiated(needed: str) -> None:
    functions: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = {
        "prod": (lambda x: x.prod(), (0,)),
        "fractional_max_pool2d": (lambda x: us.nn.functional.fractional_max_pool2d(x, 2, 2), (0, 1, 4, 4)),
        "fractional_max_pool3d": (lambda x: us.nn.functional.fractional_max_pool3d(x, 2, 2), (0, 1, 4, 4, 4)),
    }
    function, shape = functions[needed]
    x = us.zeros(shape, requires_grad=True)
    out = function(x)
    cotangent = us.ones(out.shape, requires_grad=True)
    (first,) = us.autograd.grad(out, x, cotangent, create_graph=True)
    assert first.shape == shape
    (second,) = us.autograd.grad(first, cotangent, us.ones(shape))
    assert second.tolist() == us.zeros(out.shape).tolist()


def test_eigenvectors_have_symmetric_gradients() -> None:
    us.manual_seed(0)
    a, weight = us.randn(5, 5, dtype=us.float64), us.randn(5, 5, dtype=us.float64)
    a = (a + a.T).requires_grad_()

    def loss(a: Tensor) -> Tensor:
        values, vectors = us.linalg.eigh(a)
        return (vectors.abs() * weight).sum() + (values**3).sum()

    (slope,) = us.autograd.grad(loss(a), a, create_graph=True)
    us.testing.assert_close(slope, slope.T, rtol=1e-12, atol=1e-12)
    step = us.randn(5, 5, dtype=us.float64)
    step = (step + step.T) * 1e-6
    change = loss(a.detach() + step) - loss(a.detach() - step)
    assert change.item() == pytest.approx(2 * (slope * step).sum().item(), rel=1e-7)
    (curvature,) = us.autograd.grad(
        (us.autograd.grad(us.linalg.eigvalsh(a).pow(3).sum(), a, create_graph=True)[0] * weight).sum(), a
    )
    us.testing.assert_close(curvature, curvature.T, rtol=1e-11, atol=1e-11)


def test_norms_that_show_their_statistics_differentiate_their_output_only() -> None:
    x = us.randn(4, 3, requires_grad=True)
    for out, mean, scale in (
        us.native_layer_norm(x, [3], None, None, 1e-5),
        us.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5),
    ):
        assert (out.requires_grad, mean.requires_grad, scale.requires_grad) == (True, False, False)
    with us.no_grad():
        expected = us.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)
        into = us.empty(0), us.empty(3), us.empty(6)[::2]
        us.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5, out=into)
    for target, value in zip(into, expected, strict=True):
        assert target.tolist() == value.tolist()


@pytest.mark.parametrize("space", ["", "nn.functional", "linalg", "special", "Tensor"])
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_public_operations_can_be_pickled(space: str, protocol: int) -> None:
    owner: Any = us
    for part in space.split(".") if space else []:
        owner = getattr(owner, part)
    kind = type(us.exp)
    names = [
        name
        for name in dir(owner)
        if not name.startswith("__") and isinstance(getattr(owner, name, None), kind)
    ]
    assert names
    for name in names:
        function = getattr(owner, name)
        assert pickle.loads(pickle.dumps(function, protocol)) is function, name
        assert copy.deepcopy(function) is function
    assert {getattr(owner, name).__module__.partition(".")[0] for name in names} == {"unspool"}


def test_layers_with_functions_as_activations_can_be_pickled() -> None:
    for function in (us.nn.functional.gelu, us.nn.functional.relu, us.relu, us.tanh):
        layer = us.nn.TransformerEncoderLayer(4, 2, 8, 0.0, function).eval()
        twin = pickle.loads(pickle.dumps(layer))
        x = us.randn(3, 2, 4)
        assert twin(x).tolist() == layer(x).tolist()


@pytest.mark.parametrize("layer", [us.nn.RNN, us.nn.GRU, us.nn.LSTM])
def test_recurrent_layers_check_what_they_are_given(layer: Any) -> None:
    with pytest.raises(ValueError, match="input_size must be greater than zero"):
        layer(-1, 5)
    with pytest.raises(ValueError, match="hidden_size must be greater than zero"):
        layer(3, 0)
    for name in ("bias", "batch_first"):
        with pytest.raises(TypeError, match=f"{name} should be of type bool, got: int"):
            layer(3, 5, **{name: 0})


def test_circular_padding_takes_two_numbers_of_dimensions() -> None:
    for n in (1, 2, 3):
        layer = getattr(us.nn, f"CircularPad{n}d")(1)
        for ndim in (n + 1, n + 2):
            assert layer(us.zeros([2] * ndim)).shape == (2,) * (ndim - n) + (4,) * n
        for ndim in (n, n + 3):
            with pytest.raises(
                ValueError, match=rf"expected {n + 1}D or {n + 2}D input \(got {ndim}D input\)"
            ):
                layer(us.zeros([2] * ndim))
