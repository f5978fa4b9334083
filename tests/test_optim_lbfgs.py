"""L-BFGS against the dense BFGS recursion, and its line search against the conditions it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us

CURVATURES = np.array([1.0, 3.0, 10.0, 30.0])


def quadratic(parameter: Any) -> Any:
    return (us.from_numpy(CURVATURES) * parameter**2).sum() / 2


def rosenbrock(parameter: Any) -> Any:
    x, y = parameter[0], parameter[1]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def closure_of(loss_of: Any, optimizer: Any, parameter: Any, losses: list[float]) -> Any:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of(parameter)
        loss.backward()
        losses.append(loss.item())
        return loss

    return closure


def dense_bfgs(p: Any, steps: int, lr: float, history: int) -> Any:
    """H is rebuilt from the last pairs in each step by the rank-two formula (Nocedal and Wright, 6.17)."""
    pairs: list[Any] = []
    for step in range(steps):
        g = CURVATURES * p
        inverse = np.eye(p.size)
        if pairs:
            s, y = pairs[-1]
            inverse = inverse * (s @ y) / (y @ y)
        for s, y in pairs[-history:]:
            left = np.eye(p.size) - np.outer(s, y) / (s @ y)
            inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
        length = lr * min(1.0, 1.0 / np.abs(g).sum()) if step == 0 else lr
        after = p - length * inverse @ g
        pairs.append((after - p, CURVATURES * (after - p)))
        p = after
    return p


@pytest.mark.parametrize("history", [2, 100])
def test_iterations_are_those_of_dense_bfgs(history: int) -> None:
    start = np.array([1.0, -2.0, 0.5, 1.5])
    parameter = us.nn.Parameter(us.from_numpy(start.copy()))
    optimizer = us.optim.LBFGS([parameter], lr=0.8, max_iter=3, max_eval=9, history_size=history)
    closure = closure_of(quadratic, optimizer, parameter, [])
    optimizer.step(closure)
    optimizer.step(closure)
    expected = dense_bfgs(start, 6, 0.8, history)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_it_finds_the_minimum_of_a_curved_valley_with_the_line_search() -> None:
    parameter = us.nn.Parameter(us.tensor([-1.2, 1.0], dtype=us.float64))
    optimizer = us.optim.LBFGS(
        [parameter], max_iter=100, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )
    losses: list[float] = []
    first = optimizer.step(closure_of(rosenbrock, optimizer, parameter, losses))
    assert first.item() == losses[0] == pytest.approx(24.2)
    np.testing.assert_allclose(parameter.detach().numpy(), [1.0, 1.0], rtol=1e-6)
    assert optimizer.state_dict()["state"][0]["func_evals"] == len(losses) < 100


@pytest.mark.parametrize("lr", [1e-3, 1.0, 50.0])
def test_accepted_steps_fulfil_the_strong_wolfe_conditions(lr: float) -> None:
    parameter = us.nn.Parameter(us.tensor([-1.2, 1.0], dtype=us.float64))
    optimizer = us.optim.LBFGS([parameter], lr=lr, max_iter=1, max_eval=30, line_search_fn="strong_wolfe")
    for _ in range(5):
        closure = closure_of(rosenbrock, optimizer, parameter, [])
        before = closure().item()
        gradient = parameter.grad.clone()
        optimizer.step(closure)
        state = optimizer.state[parameter]
        slope = gradient.dot(state["d"]).item()
        after = closure().item()
        assert after <= before + 1e-4 * state["t"] * slope
        assert abs(parameter.grad.dot(state["d"]).item()) <= -0.9 * slope


def test_parameters_of_any_shape_and_without_gradient_make_one_vector() -> None:
    matrix, scalar, unused = (us.nn.Parameter(us.ones(shape)) for shape in [(2, 3), (), (4,)])
    optimizer = us.optim.LBFGS([matrix, scalar, unused], line_search_fn="strong_wolfe")
    losses: list[float] = []
    for _ in range(3):
        optimizer.step(
            closure_of(lambda m: ((m - 3) ** 2).sum() + (scalar + 2) ** 2, optimizer, matrix, losses)
        )
    np.testing.assert_allclose(matrix.detach().numpy(), 3.0, rtol=1e-5)
    assert scalar.item() == pytest.approx(-2.0, rel=1e-5)
    assert unused.tolist() == [1.0] * 4


def test_a_resumed_run_goes_on_as_if_nothing_had_happened() -> None:
    def run(interrupted: bool) -> Any:
        parameter = us.nn.Parameter(us.tensor([-1.2, 1.0]))
        optimizer = us.optim.LBFGS([parameter], lr=0.1, max_iter=3)
        for step in range(4):
            if interrupted and step == 2:
                saved = optimizer.state_dict()
                optimizer = us.optim.LBFGS([parameter], lr=0.1, max_iter=3)
                optimizer.load_state_dict(saved)
            optimizer.step(closure_of(rosenbrock, optimizer, parameter, []))
        return parameter.tolist()

    assert run(False) == run(True)


def test_what_it_cannot_do_is_refused() -> None:
    first, second = us.nn.Parameter(us.ones(2)), us.nn.Parameter(us.ones(2))
    with pytest.raises(ValueError, match="parameter groups"):
        us.optim.LBFGS([{"params": [first]}, {"params": [second]}])
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        us.optim.LBFGS([first], line_search_fn="other").step(lambda: first.sum())
    with pytest.raises(TypeError, match="closure"):
        us.optim.LBFGS([first]).step()  # type: ignore[call-arg]
