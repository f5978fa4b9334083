"""Minimal modules: what is printed is true, and moves with its inputs."""

from __future__ import annotations

from typing import Any

import pytest

import unspool as us
from unspool import nn
from unspool.demo import load


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return load("minimal_modules").main(["--quick"])


def test_losses_fall(found: dict[str, float]) -> None:
    for name in ("hinge", "softmax"):
        assert found[f"{name}_after"] < 0.5 * found[f"{name}_before"]


def test_check_passes_on_a_large_loss_where_a_fixed_step_fails_and_finds_a_small_fault(
    found: dict[str, float],
) -> None:
    assert 3e7 < found["large_loss"] < 9e7
    assert found["naive_error"] > 1e-4
    assert found["right_passes"] == 1
    assert found["fault_passes"] == 0


def test_check_fails_on_small_losses_for_nobody() -> None:
    small = load("minimal_modules").main(["--quick", "--scale", "1"])
    assert small["large_loss"] < 1e3
    assert small["naive_error"] < 1e-4
    assert (small["right_passes"], small["fault_passes"]) == (1, 0)


def test_matrices_give_what_the_loop_gives_in_less_time(found: dict[str, float]) -> None:
    assert found["batch_difference"] < 1e-12
    assert found["loop_over_matrix"] > 3


def test_the_bias_trap_is_wrong_and_found(found: dict[str, float]) -> None:
    assert found["trap_error"] > 0.1
    assert found["trap_found"] == 1
    example: Any = load("minimal_modules")
    alone, _ = example.spring_trap(1)
    assert alone == 0  # with a single sample nobody notices


def test_parameters_have_dotted_names_and_units_can_be_replaced() -> None:
    example: Any = load("minimal_modules")
    network = example.make_network()
    names = [name for name, _ in network.named_parameters()]
    assert "gated.value.affine.weight" in names
    network.gated.value.unit = nn.Elementwise(lambda z: z**3, lambda z: 3 * z**2)
    x = us.randn(5, 6, dtype=us.float64, requires_grad=True)
    assert us.autograd.gradcheck(network, (x,))


def test_more_steps_move_the_loss(found: dict[str, float]) -> None:
    longer = load("minimal_modules").main(["--quick", "--batch", "8"])
    assert longer["trap_error"] != found["trap_error"]
    assert longer["hinge_after"] == found["hinge_after"]
