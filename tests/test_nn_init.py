"""Initializers: the recorded values of PyTorch's CPU stream, the moments of the papers, and clear errors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn import init

RECORDED = json.loads((Path(__file__).parent / "data" / "initial_values.json").read_text())
# A matrix factorization rounds differently from one linear-algebra library to the next.
TOLERANCE = {"orthogonal_": 2e-6}


def array(tensor: Any) -> Any:
    return tensor.detach().numpy()


def describe(row: Any) -> str:
    return "-".join([row["function"], row["dtype"], *(f"{k}={v}" for k, v in row["options"].items())])


@pytest.mark.parametrize("row", RECORDED["initializers"], ids=describe)
def test_the_random_stream_is_the_recorded_one(row: Any) -> None:
    us.manual_seed(1234)
    tensor = us.empty(*row["shape"], dtype=getattr(us, row["dtype"]))
    assert getattr(init, row["function"])(tensor, **row["options"]) is tensor
    exact = 1e-6 if row["dtype"] == "float32" else 1e-12
    tolerance = max(exact, TOLERANCE.get(row["function"], 0.0))
    np.testing.assert_allclose(array(tensor).reshape(-1)[:4], row["first"], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(np.abs(array(tensor).astype(np.float64)).sum(), row["sum_of_sizes"], rtol=1e-5)
    assert us.rand(1).item() == row["next_draw"]


@pytest.mark.parametrize("text", RECORDED["modules"])
def test_default_weights_are_the_recorded_ones(text: str) -> None:
    us.manual_seed(1234)
    module = eval(text, vars(nn))
    expected = RECORDED["modules"][text]
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(array(parameter).reshape(-1)[:3], expected["parameters"][name], rtol=1e-6)
    inputs = [us.ones(2, 3), us.ones(2, 4)] if text.startswith("Bilinear") else [us.ones(2, 4)]
    if text.startswith("Linear"):
        inputs = [us.ones(2, 7)]
    np.testing.assert_allclose(array(module(*inputs)).reshape(-1)[:4], expected["output"], rtol=1e-5)


def test_dropout_keeps_the_recorded_elements() -> None:
    us.manual_seed(1234)
    kept = nn.Dropout(0.25)(us.ones(40))
    assert [int(value > 0) for value in kept.tolist()] == RECORDED["dropout_keeps"]


def test_a_generator_is_drawn_from_in_place_of_the_default_one() -> None:
    fills: list[Any] = [
        init.uniform_,
        init.normal_,
        init.trunc_normal_,
        init.xavier_uniform_,
        init.xavier_normal_,
        init.kaiming_uniform_,
        init.kaiming_normal_,
        init.orthogonal_,
    ]
    before = us.get_rng_state()
    for fill in fills:
        first = fill(us.empty(8, 8), generator=us.Generator().manual_seed(7))
        second = fill(us.empty(8, 8), generator=us.Generator().manual_seed(7))
        assert first.tolist() == second.tolist(), fill.__name__
    assert us.get_rng_state().tolist() == before.tolist()


MOMENTS: list[tuple[str, dict[str, Any], float, float]] = [
    # name, options, mean, standard deviation: of a weight (200, 300), fan_in 300, fan_out 200
    ("uniform_", {"a": -1.0, "b": 3.0}, 1.0, 4 / math.sqrt(12)),
    ("normal_", {"mean": -2.0, "std": 0.5}, -2.0, 0.5),
    ("trunc_normal_", {}, 0.0, 0.879626),  # Var = 1 - 2 a phi(a) / (2 Phi(a) - 1) at a = 2
    ("xavier_uniform_", {}, 0.0, math.sqrt(2 / 500)),
    ("xavier_normal_", {"gain": 2.0}, 0.0, 2 * math.sqrt(2 / 500)),
    ("kaiming_uniform_", {"nonlinearity": "relu"}, 0.0, math.sqrt(2 / 300)),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}, 0.0, math.sqrt(2 / 200)),
    ("kaiming_normal_", {"a": 0.5}, 0.0, math.sqrt(2 / (1 + 0.25) / 300)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options", "mean", "std"), MOMENTS)
def test_moments_are_those_of_the_formula(
    name: str, options: dict[str, Any], mean: float, std: float, dtype: str
) -> None:
    values = array(getattr(init, name)(us.empty(200, 300, dtype=getattr(us, dtype)), **options))
    # 60,000 draws: five standard errors of the mean, and of the standard deviation of a normal.
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(values.size)
    assert abs(values.std() - std) < 5 * std / math.sqrt(2 * values.size)


def test_uniform_draws_fill_their_interval() -> None:
    bound = math.sqrt(6 / 500)
    values = array(init.xavier_uniform_(us.empty(200, 300)))
    assert -bound <= values.min() < -0.99 * bound
    assert 0.99 * bound < values.max() <= bound


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (0.5, 4.0), (2.0, 4.0), (-0.1, 0.1)])
def test_truncated_draws_stay_within_their_bounds(low: float, high: float) -> None:
    values = array(init.trunc_normal_(us.empty(4000), a=low, b=high))
    assert low <= values.min()
    assert values.max() <= high


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (4, 2, 3), (3, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_rows_or_columns_are_orthonormal(shape: tuple[int, ...], dtype: str) -> None:
    matrix = array(init.orthogonal_(us.empty(*shape, dtype=getattr(us, dtype)), gain=3.0)).reshape(
        shape[0], -1
    )
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(
        product, 9.0 * np.eye(len(product)), atol=1e-5 if dtype == "float32" else 1e-13
    )


def test_sparse_zeroes_its_share_of_every_column() -> None:
    values = array(init.sparse_(us.empty(20, 7), sparsity=0.33))
    assert (values == 0).sum(axis=0).tolist() == [7] * 7


def test_constant_fills() -> None:
    assert init.constant_(us.empty(2, 2), 3.5).tolist() == [[3.5, 3.5], [3.5, 3.5]]
    assert init.ones_(us.empty(2)).tolist() == [1.0, 1.0]
    assert init.zeros_(us.empty(2)).tolist() == [0.0, 0.0]
    assert init.eye_(us.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_dirac_passes_channels_through_a_convolution() -> None:
    kernel = array(init.dirac_(us.empty(4, 2, 3, 3), groups=2))
    expected = np.zeros((4, 2, 3, 3))
    for out_channel, in_channel in ((0, 0), (1, 1), (2, 0), (3, 1)):
        expected[out_channel, in_channel, 1, 1] = 1
    assert np.array_equal(kernel, expected)


def test_fills_are_not_recorded() -> None:
    weight = nn.Parameter(us.empty(3, 3))
    for fill in (init.normal_, init.xavier_uniform_, init.orthogonal_, init.eye_, init.trunc_normal_):
        fill(weight)
        assert weight.is_leaf
        assert weight.requires_grad
        assert weight.grad_fn is None


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1.0),
        ("conv2d", None, 1.0),
        ("conv_transpose3d", None, 1.0),
        ("sigmoid", None, 1.0),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / (1 + 1e-4))),
        ("leaky_relu", 0.5, math.sqrt(2 / 1.25)),
        ("selu", None, 0.75),
    ],
)
def test_gain(name: str, param: float | None, gain: float) -> None:
    assert init.calculate_gain(name, param) == pytest.approx(gain, rel=1e-15)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: init.calculate_gain("swoosh"), "swoosh"),
        (lambda: init.calculate_gain("leaky_relu", True), "True"),
        (lambda: init.calculate_gain("leaky_relu", "big"), "big"),  # type: ignore[arg-type]
        (lambda: init.xavier_uniform_(us.empty(3)), r"\(3,\)"),
        (lambda: init.kaiming_normal_(us.empty(3, 3), mode="fan"), "fan"),
        (lambda: init.kaiming_uniform_(us.empty(3, 3), nonlinearity="swoosh"), "swoosh"),
        (lambda: init.eye_(us.empty(3)), r"\(3,\)"),
        (lambda: init.dirac_(us.empty(3, 3)), r"\(3, 3\)"),
        (lambda: init.dirac_(us.empty(3, 3, 3), groups=2), "divisible"),
        (lambda: init.orthogonal_(us.empty(3)), r"\(3,\)"),
        (lambda: init.sparse_(us.empty(3), 0.5), r"\(3,\)"),
        (lambda: init.trunc_normal_(us.empty(3), std=0.0), "std"),
        (lambda: init.trunc_normal_(us.empty(3), a=1.0, b=0.0), "exceed"),
    ],
)
def test_bad_arguments_are_refused_by_name(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_names_without_underscore_are_deprecated() -> None:
    with pytest.warns(FutureWarning, match="nn.init.xavier_uniform_"):
        init.xavier_uniform(us.empty(2, 2))


def test_empty_tensors_are_left_alone() -> None:
    with pytest.warns(UserWarning, match="zero-element"):
        assert init.kaiming_uniform_(us.empty(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("fan", range(1, 33))
def test_the_bounds_of_uniform_weights_have_the_bits_of_the_formula(fan: int) -> None:
    gain = math.sqrt(2 / (1 + math.sqrt(5) ** 2))
    bound = math.sqrt(3.0) * (gain / math.sqrt(fan))
    found, wanted = (us.empty(3, fan, dtype=us.float64) for _ in range(2))
    us.manual_seed(0)
    us.nn.init.kaiming_uniform_(found, a=math.sqrt(5))
    us.manual_seed(0)
    assert us.equal(found, wanted.uniform_(-bound, bound))
