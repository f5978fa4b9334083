"""Every module against its pure-NumPy formula: values, gradients, and what its constructor promises."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import unspool as us
from reference import convolution, padding, pooling, vision
from reference import nn as plain
from reference.nn import Case
from unspool import nn
from unspool.nn import functional as F

CASES = [*plain.CASES, *padding.CASES, *convolution.CASES, *pooling.CASES, *vision.CASES]
TOLERANCE = {"float32": 3e-5, "float64": 1e-10}
# Modules that are checked elsewhere: containers, random ones, and those that take functions.
ELSEWHERE = {
    "Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Dropout",
    "RReLU", "AlphaDropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout", "Transformer",
    "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
    "AdaptiveLogSoftmaxWithLoss", "CTCLoss", "MultiLabelMarginLoss", "NLLLoss2d", "Elementwise",
    "TripletMarginWithDistanceLoss", "Embedding", "EmbeddingBag", "MultiheadAttention", "RNNBase", "RNN",
    "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell",
    "FractionalMaxPool2d", "FractionalMaxPool3d",
}  # fmt: skip


def build(case: Case, dtype: str) -> Any:
    return getattr(nn, case.module)(**case.options).to(getattr(us, dtype))


def arrays(case: Case, dtype: str) -> list[Any]:
    drawn = case.inputs(np.random.default_rng(11))
    return [a if a.dtype.kind in "iu" else np.asarray(a, dtype) for a in drawn]


def numbers(module: Any) -> list[Any]:
    return [p.detach().numpy() for p in module.parameters()]


def test_every_module_has_a_case() -> None:
    lazy = {name for name in nn.modules.__all__ if name.startswith("Lazy")}  # test_nn_lazy.py
    assert {case.module for case in CASES} | ELSEWHERE | lazy == set(nn.modules.__all__)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_follow_the_formula(case: Case, dtype: str) -> None:
    module, given = build(case, dtype), arrays(case, dtype)
    output = module(*(us.from_numpy(a.copy()) for a in given))
    expected = np.asarray(case.formula(*given, *numbers(module)))
    assert tuple(output.shape) == expected.shape
    assert output.dtype == getattr(us, dtype)
    np.testing.assert_allclose(
        output.detach().numpy(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_the_slopes_of_the_formula(case: Case) -> None:
    """One random direction through all inputs and parameters, by central differences of the reference."""
    module, given = build(case, "float64"), arrays(case, "float64")
    random = np.random.default_rng(12)
    tensors = [us.from_numpy(a.copy()) for a in given]
    for position in case.grad:
        tensors[position].requires_grad_()
    output = module(*tensors)
    weights = random.standard_normal(tuple(output.shape))
    (output * us.from_numpy(np.asarray(weights))).sum().backward()
    leaves = [*(tensors[i] for i in case.grad), *module.parameters()]
    directions = [random.standard_normal(tuple(leaf.shape)) for leaf in leaves]
    slope = sum(float((d * leaf.grad.numpy()).sum()) for d, leaf in zip(directions, leaves, strict=True))

    def moved(step: float) -> float:
        values: list[Any] = list(given)
        for position, direction in zip(case.grad, directions, strict=False):
            values[position] = given[position] + step * direction
        parameters = numbers(module)
        for i, direction in enumerate(directions[len(case.grad) :]):
            parameters[i] = parameters[i] + step * direction
        return float((weights * case.formula(*values, *parameters)).sum())

    step = 1e-5
    np.testing.assert_allclose(slope, (moved(step) - moved(-step)) / (2 * step), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_modules_survive_printing_copying_and_pickling(case: Case) -> None:
    module = build(case, "float64")
    assert repr(module).startswith(f"{case.module}(")
    tensors = [us.from_numpy(a.copy()) for a in arrays(case, "float64")]
    expected = module(*tensors).detach().numpy()
    for other in (copy.deepcopy(module), copy.copy(module), pickle.loads(pickle.dumps(module))):
        assert np.array_equal(other(*tensors).detach().numpy(), expected)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (lambda: nn.Linear(3, 4), "Linear(in_features=3, out_features=4, bias=True)"),
        (
            lambda: nn.Bilinear(3, 4, 5, bias=False),
            "in1_features=3, in2_features=4, out_features=5, bias=False",
        ),
        (lambda: nn.ReLU(inplace=True), "ReLU(inplace=True)"),
        (lambda: nn.ReLU(), "ReLU()"),
        (lambda: nn.ReLU6(), "ReLU6()"),
        (lambda: nn.Dropout(0.3), "Dropout(p=0.3, inplace=False)"),
        (lambda: nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (lambda: nn.Softmax(dim=1), "Softmax(dim=1)"),
        (lambda: nn.GELU(), "GELU(approximate='none')"),
        (lambda: nn.Softplus(), "Softplus(beta=1.0, threshold=20.0)"),
        (lambda: nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (lambda: nn.PReLU(), "PReLU(num_parameters=1)"),
        (lambda: nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
    ],
)
def test_repr_shows_the_arguments(module: Any, text: str) -> None:
    assert text in repr(module())


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Dropout(1.5), ValueError, "1.5"),
        (lambda: nn.Dropout(-0.1), ValueError, "-0.1"),
        (lambda: nn.Hardtanh(1.0, 0.0), ValueError, "min_val"),
        (lambda: nn.Bilinear(0, 2, 2), ValueError, "in1_features"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "3"),
        (lambda: nn.MultiMarginLoss(weight=us.ones(2, 2)), ValueError, "one-dimensional"),
        (lambda: nn.TripletMarginLoss(margin=0.0), ValueError, "margin"),
        (lambda: nn.TripletMarginWithDistanceLoss(margin=-1.0), ValueError, "margin"),
        (lambda: nn.Unflatten("c", (2, 2)), NotImplementedError, "named"),
        (lambda: nn.Unflatten(1, 4), TypeError, "int"),
        (lambda: nn.Unflatten(1, (2, 2.0)), TypeError, "pos 1"),
        (lambda: nn.Unflatten(2, (2, 2))(us.ones(4)), IndexError, "2"),
        (lambda: nn.Linear(3, 4)(us.ones(2, 5)), RuntimeError, "5"),
        (lambda: nn.Softmax2d()(us.ones(3)), ValueError, "3D or 4D"),
        (lambda: nn.RReLU(0.5, 0.1)(us.ones(3)), RuntimeError, "lower"),
        (lambda: nn.MSELoss(reduction="median")(us.ones(3), us.ones(3)), ValueError, "median"),
        (lambda: nn.BCELoss()(us.ones(3), us.ones(4)), ValueError, "4"),
        (lambda: nn.Sum()(), TypeError, "at least one"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


# In place, training and evaluation ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ReLU", {}),
        ("ReLU6", {}),
        ("ELU", {"alpha": 0.7}),
        ("CELU", {}),
        ("SELU", {}),
        ("LeakyReLU", {"negative_slope": 0.2}),
        ("Hardtanh", {"min_val": -0.5}),
        ("Hardsigmoid", {}),
        ("Hardswish", {}),
        ("SiLU", {}),
        ("Mish", {}),
        ("Threshold", {"threshold": 0.1, "value": 0.7}),
    ],
)
def test_in_place_modules_overwrite_their_input_and_give_the_same_gradients(name: str, options: Any) -> None:
    values = us.randn(5, 7, dtype=us.float64)
    first, second = (values.clone().requires_grad_() for _ in range(2))
    apart = getattr(nn, name)(**options)(first * 1.0)
    buffer = second * 1.0
    within = getattr(nn, name)(**options, inplace=True)(buffer)
    assert within.data_ptr() == buffer.data_ptr()
    assert np.array_equal(within.detach().numpy(), apart.detach().numpy())
    weights = us.randn(5, 7, dtype=us.float64)
    (apart * weights).sum().backward()
    (within * weights).sum().backward()
    np.testing.assert_allclose(first.grad.numpy(), second.grad.numpy(), rtol=1e-12)
    plain = values.clone()
    assert getattr(nn, name)(**options, inplace=True)(plain).data_ptr() == plain.data_ptr()
    assert np.array_equal(plain.numpy(), apart.detach().numpy())


def test_dropout_drops_in_training_only_and_keeps_the_mean() -> None:
    module = nn.Dropout(0.25)
    x = us.ones(20000, requires_grad=True)
    dropped = module(x)
    values = dropped.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(values.mean() - 1) < 0.02
    dropped.sum().backward()
    assert np.array_equal(x.grad.numpy(), values)
    module.eval()
    assert np.array_equal(module(x).detach().numpy(), np.ones(20000, np.float32))
    buffer = us.ones(100)
    assert nn.Dropout(0.5, inplace=True)(buffer).data_ptr() == buffer.data_ptr()
    assert bool((buffer == 0).any())


def test_rrelu_draws_its_slopes_in_training_and_takes_their_middle_in_evaluation() -> None:
    module = nn.RReLU(0.1, 0.3)
    slopes = -module(-us.ones(1000)).numpy()
    assert slopes.min() >= 0.1
    assert slopes.max() <= 0.3
    assert slopes.std() > 0.04
    np.testing.assert_allclose(module.eval()(us.tensor([-1.0, 2.0])).numpy(), [-0.2, 2.0], rtol=1e-6)


# Weights, legacy arguments, the user's own functions ------------------------------------------------------


def test_loss_weights_are_buffers() -> None:
    weight = us.tensor([1.0, 2.0, 3.0])
    for name in ("CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss", "MultiMarginLoss"):
        module = getattr(nn, name)(weight=weight)
        assert [key for key, _ in module.named_buffers()] == ["weight"]
        assert module.double().weight.dtype == us.float64
    module = nn.BCEWithLogitsLoss(pos_weight=weight)
    assert list(module.state_dict()) == ["pos_weight"]


def test_weighted_cross_entropy_divides_by_the_total_weight() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    target, weight = np.array([0, 2, 1, 2]), np.array([0.5, 1.0, 2.0])
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    w = weight[target]
    loss = nn.CrossEntropyLoss(us.from_numpy(weight))(us.from_numpy(x), us.from_numpy(target))
    np.testing.assert_allclose(loss.item(), -(w * log_p[np.arange(4), target]).sum() / w.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("flags", "reduction"),
    [
        ({"size_average": True}, "mean"),
        ({"size_average": False}, "sum"),
        ({"reduce": False}, "none"),
        ({"size_average": False, "reduce": True}, "sum"),
    ],
)
def test_old_reduction_flags_still_work_and_warn(flags: dict[str, bool], reduction: str) -> None:
    with pytest.warns(UserWarning, match=reduction):
        module = nn.MSELoss(**flags)
    assert module.reduction == reduction
    with pytest.warns(UserWarning, match=reduction):
        F.cross_entropy(us.randn(2, 3), us.tensor([0, 1]), **flags)


def test_softmax_without_a_dimension_guesses_and_warns() -> None:
    with pytest.warns(UserWarning, match="dim"):
        assert nn.Softmax()(us.zeros(2, 4)).sum(1).tolist() == [1.0, 1.0]


def test_a_replaced_function_is_seen_by_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(F, "relu", lambda input, inplace=False: input + 100)
    monkeypatch.setattr(F, "linear", lambda input, weight, bias=None: input * 2)
    assert nn.ReLU()(us.zeros(1)).item() == 100.0
    assert nn.Linear(1, 1)(us.ones(1)).item() == 2.0


def test_elementwise_uses_the_users_derivative_and_may_leave_the_tape() -> None:
    def square_by_numpy(z: Any) -> Any:
        return us.from_numpy(z.detach().numpy() ** 2)

    module = nn.Elementwise(square_by_numpy, lambda z: 2 * z)
    z = us.tensor([1.0, -3.0], requires_grad=True)
    module(z).sum().backward()
    assert z.grad.tolist() == [2.0, -6.0]
    assert repr(module) == "Elementwise(f=square_by_numpy, dfdz=<lambda>)"


def test_elementwise_is_differentiable_twice() -> None:
    module = nn.Elementwise(lambda z: z**3, lambda z: 3 * z**2)
    z = us.tensor([2.0, -1.0], requires_grad=True)
    (first,) = us.autograd.grad(module(z).sum(), z, create_graph=True)
    (second,) = us.autograd.grad(first.sum(), z)
    assert (first.tolist(), second.tolist()) == ([12.0, 3.0], [12.0, -6.0])


def test_elementwise_refuses_functions_that_change_the_shape() -> None:
    with pytest.raises(ValueError, match=r"f maps shape \(3,\)"):
        nn.Elementwise(lambda z: z.sum(), lambda z: z)(us.ones(3))
    z = us.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="dfdz"):
        nn.Elementwise(lambda z: z * 1, lambda z: z.sum())(z).sum().backward()


def test_triplet_loss_takes_any_distance() -> None:
    module = nn.TripletMarginWithDistanceLoss(
        distance_function=lambda x, y: (x - y).abs().sum(-1), margin=1.0
    )
    a, p, n = us.zeros(1, 2), us.ones(1, 2), 3 * us.ones(1, 2)
    assert module(a, p, n).item() == 0.0
    assert module(a, n, p).item() == 5.0
