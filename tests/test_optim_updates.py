"""Every optimizer follows its formula: values after each step against the pure-NumPy rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from reference.optim import RULES, muon

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.8}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "momentum": 0.8}),
    ("Adagrad", {"lr": 0.5}),
    ("Adagrad", {"lr": 0.5, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 0.1, "maximize": True, "eps": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.2, "betas": (0.8, 0.9), "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.2, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("Adamax", {"lr": 0.1}),
    ("Adamax", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.2, "maximize": True}),
    ("ASGD", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 2, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.5, "etas": (0.4, 1.5), "step_sizes": (1e-2, 1.0), "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "eps": (1e-3, 1e-2), "d": 1.5, "weight_decay": 0.2, "maximize": True}),
]
# float32 rounds in another order here than in the reference; the scales are those of values near 1.
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}


def describe(case: Any) -> str:
    return str(case) if isinstance(case, str) else "-".join(f"{k}={v}" for k, v in case.items()) or "defaults"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), CASES, ids=describe)
def test_steps_follow_the_formula(name: str, options: dict[str, Any], dtype: Any) -> None:
    random = np.random.default_rng(3)
    # Sizes around the width of a vector register, a 0-d one, an empty one and one large enough for several
    # threads.
    shapes = [(), (1,), (3, 5), (8,), (0,), (33, 1), (260, 257)]
    starts = [np.asarray(random.standard_normal(shape), dtype) for shape in shapes]
    centres = [np.asarray(random.standard_normal(shape), dtype) for shape in shapes]
    parameters = [us.nn.Parameter(us.from_numpy(start.copy())) for start in starts]
    optimizer = getattr(us.optim, name)(parameters, **options)
    # d/dp of |p - c|^2 / 2 is p - c: no operation of the library stands between the rule and its check.
    expected = [
        RULES[name](start, lambda p, centre=centre: p - centre, **options)  # type: ignore[misc]
        for start, centre in zip(starts, centres, strict=True)
    ]
    for step in range(7):
        for parameter, centre in zip(parameters, centres, strict=True):
            parameter.grad = us.from_numpy(np.asarray(parameter.detach().numpy() - centre))
        optimizer.step()
        for parameter, values in zip(parameters, expected, strict=True):
            wanted = next(values)
            assert parameter.dtype == us.from_numpy(starts[0]).dtype
            tolerance = TOLERANCE[np.dtype(dtype)]
            np.testing.assert_allclose(
                parameter.detach().numpy(), wanted, rtol=tolerance, atol=tolerance, err_msg=f"step {step}"
            )


@pytest.mark.parametrize(("name", "options"), CASES, ids=describe)
def test_strided_parameters_and_gradients_are_updated_alike(name: str, options: dict[str, Any]) -> None:
    values = np.random.default_rng(5).standard_normal((6, 9))
    gradient = np.random.default_rng(6).standard_normal((6, 9))

    def after_steps(place: Any) -> Any:
        parameter = us.nn.Parameter(place(values))
        optimizer = getattr(us.optim, name)([parameter], **options)
        for _ in range(3):
            parameter.grad = place(gradient)
            optimizer.step()
        return parameter.detach().numpy()

    dense = after_steps(lambda array: us.from_numpy(array.copy()))
    transposed = after_steps(lambda array: us.from_numpy(array.T.copy()).t())
    assert np.array_equal(dense, transposed)


@pytest.mark.parametrize("name", sorted(RULES))
def test_parameters_without_gradient_are_left_alone(name: str) -> None:
    used, unused = us.nn.Parameter(us.ones(3)), us.nn.Parameter(us.ones(3))
    optimizer = getattr(us.optim, name)([used, unused], lr=0.1)
    used.grad = us.ones(3)
    optimizer.step()
    assert unused.tolist() == [1.0, 1.0, 1.0]
    assert used.tolist() != [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", sorted(RULES))
def test_an_update_is_not_recorded_and_changes_the_tensor_in_place(name: str) -> None:
    parameter = us.nn.Parameter(us.ones(3))
    alias = parameter.detach()
    optimizer = getattr(us.optim, name)([parameter], lr=0.1)
    (parameter * parameter).sum().backward()
    optimizer.step()
    assert parameter.is_leaf
    assert parameter.grad_fn is None
    assert alias.tolist() == parameter.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"lr": 0.1, "nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}])
@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 17), (0, 3)])
def test_muon_moves_singular_values(options: dict[str, Any], dtype: Any, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(4)
    start, centre = (random.standard_normal(shape).astype(dtype) for _ in range(2))
    parameter = us.nn.Parameter(us.from_numpy(start.copy()))
    optimizer = us.optim.Muon([parameter], **options)
    expected = muon(start, lambda p: p - centre, **options)
    for _ in range(4):
        parameter.grad = parameter.detach() - us.from_numpy(centre)
        optimizer.step()
        # The iteration multiplies small singular values, and their rounding, by up to 3.4 five times.
        tolerance = 2e-4 if dtype is np.float32 else 1e-11
        np.testing.assert_allclose(parameter.detach().numpy(), next(expected), rtol=tolerance, atol=tolerance)


def test_muon_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match="only supports 2D parameters"):
        us.optim.Muon([us.nn.Parameter(us.ones(3))])


def test_sparse_adam_refuses_dense_gradients() -> None:
    parameter = us.nn.Parameter(us.ones(3))
    optimizer = us.optim.SparseAdam([parameter])
    parameter.grad = us.ones(3)
    with pytest.raises(RuntimeError, match="consider Adam"):
        optimizer.step()


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("RAdam", ["exp_avg", "exp_avg_sq", "step"]),
        ("NAdam", ["exp_avg", "exp_avg_sq", "mu_product", "step"]),
        ("Adamax", ["exp_avg", "exp_inf", "step"]),
        ("ASGD", ["ax", "eta", "mu", "step"]),
        ("Rprop", ["prev", "step", "step_size"]),
        ("Adafactor", ["col_var", "row_var", "step"]),
        ("Muon", ["momentum_buffer"]),
    ],
)
def test_a_run_that_is_resumed_from_its_state_has_the_same_bits(name: str, keys: list[str]) -> None:
    gradients = [us.randn(3, 4) for _ in range(5)]
    parameter = us.nn.Parameter(us.ones(3, 4))
    optimizer = getattr(us.optim, name)([parameter], lr=0.1)
    for step, gradient in enumerate(gradients):
        if step == 3:
            saved = optimizer.state_dict()
            assert sorted(saved["state"][0]) == keys
            other = us.nn.Parameter(parameter.detach().clone())
            resumed = getattr(us.optim, name)([other])
            resumed.load_state_dict(saved)
        parameter.grad = gradient
        optimizer.step()
    for gradient in gradients[3:]:
        other.grad = gradient
        resumed.step()
    assert parameter.tolist() == other.tolist()


def test_groups_have_their_own_hyperparameters_which_may_change_between_steps() -> None:
    slow, fast = us.nn.Parameter(us.ones(2)), us.nn.Parameter(us.ones(2))
    optimizer = us.optim.SGD([{"params": [slow]}, {"params": [fast], "lr": 0.5}], lr=0.25)
    for parameter in (slow, fast):
        parameter.grad = us.ones(2)
    optimizer.step()
    assert (slow.tolist(), fast.tolist()) == ([0.75, 0.75], [0.5, 0.5])
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert (slow.tolist(), fast.tolist()) == ([0.75, 0.75], [0.0, 0.0])


def test_a_learning_rate_may_be_a_tensor() -> None:
    parameter = us.nn.Parameter(us.ones(2))
    optimizer = us.optim.SGD([parameter], lr=us.tensor(0.25))
    parameter.grad = us.ones(2)
    optimizer.step()
    assert parameter.tolist() == [0.75, 0.75]


def test_double_precision_hyperparameters_keep_their_precision() -> None:
    parameter = us.nn.Parameter(us.ones(1, dtype=us.float64))
    optimizer = us.optim.SGD([parameter], lr=0.1)
    parameter.grad = us.ones(1, dtype=us.float64)
    optimizer.step()
    assert parameter.item() == 1.0 - 0.1


@pytest.mark.parametrize("dtype", [us.float32, us.float64], ids=str)
def test_threads_share_large_parameters_and_change_no_bit(dtype: Any) -> None:
    rng = np.random.default_rng(6)
    sizes = [(700, 401), (3,), (611, 500), (), (17, 1000)]
    values = [rng.normal(size=size) for size in sizes]
    gradients = [rng.normal(size=size) for size in sizes]
    before, results = us.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            us.set_num_threads(threads)
            parameters = [us.tensor(value, dtype=dtype, requires_grad=True) for value in values]
            optimizer = us.optim.AdamW(parameters, lr=1e-2)
            for _ in range(2):
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.grad = us.tensor(gradient, dtype=dtype)
                optimizer.step()
            results.append([parameter.detach().numpy() for parameter in parameters])
    finally:
        us.set_num_threads(before)
    for i, value in enumerate(values):
        assert (results[0][i] != value.astype(results[0][i].dtype)).all()
        for other in results[1:]:
            np.testing.assert_array_equal(other[i], results[0][i])
