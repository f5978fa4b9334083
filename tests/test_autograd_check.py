"""gradcheck finds planted faults and passes honest functions; long chains need no deep stack."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

import pytest

import unspool as us


def leaf(*shape: int, dtype: Any = None) -> Any:
    """A random leaf."""
    return us.randn(shape, dtype=dtype or us.float64, requires_grad=True)


class Cube(us.autograd.Function):
    """x^3 whose derivative is wrong by a chosen relative fault, everywhere or in one element."""

    fault = 0.0
    element: int | None = None

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        gradient = 3 * x * x * g
        if Cube.element is None:
            return gradient * (1 + Cube.fault)
        factor = us.ones_like(gradient)
        factor[Cube.element] = 1 + Cube.fault
        return gradient * factor


class SecondIsWrong(us.autograd.Function):
    """x^3 whose first derivative is right and whose second is not."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x * x.detach() * g


@pytest.fixture(autouse=True)
def honest() -> Any:
    """Every test starts without a fault."""
    Cube.fault, Cube.element = 0.0, None
    yield
    Cube.fault, Cube.element = 0.0, None


def test_honest_functions_pass() -> None:
    assert us.autograd.gradcheck(Cube.apply, (leaf(3, 4),))
    assert us.autograd.gradcheck(lambda a, b: (a @ b).tanh().sum(), (leaf(3, 4), leaf(4, 2)))
    assert us.autograd.gradcheck(lambda a, b: (a * b, a + b), (leaf(3), leaf(2, 3)))
    assert us.autograd.gradgradcheck(Cube.apply, (leaf(3, 4),))


@pytest.mark.parametrize("fault", [1e-2, 1e-4, 1e-6, -1e-6])
def test_a_planted_fault_is_found(fault: float) -> None:
    Cube.fault = fault
    with pytest.raises(RuntimeError) as info:
        us.autograd.gradcheck(Cube.apply, (leaf(3, 4),))
    assert "gradcheck" in str(info.value)
    assert us.autograd.gradcheck(Cube.apply, (leaf(3, 4),), raise_exception=False) is False


def test_a_fault_in_one_element_is_found() -> None:
    Cube.fault, Cube.element = 1e-5, 7
    with pytest.raises(RuntimeError):
        us.autograd.gradcheck(Cube.apply, (leaf(20),))


def test_a_wrong_second_derivative_is_found_by_gradgradcheck_alone() -> None:
    assert us.autograd.gradcheck(SecondIsWrong.apply, (leaf(3),))
    with pytest.raises(RuntimeError):
        us.autograd.gradgradcheck(SecondIsWrong.apply, (leaf(3),))


def test_values_of_any_size_pass() -> None:
    """A loss of 5e7 with a fixed step of 1e-6 cannot be checked; scaled steps can."""
    x = us.tensor([1e4, 3e3, -7e3], dtype=us.float64, requires_grad=True)
    assert us.autograd.gradcheck(lambda v: (v**2).sum() * 0.5, (x,))
    tiny = us.tensor([1e-5, -3e-6], dtype=us.float64, requires_grad=True)
    assert us.autograd.gradcheck(lambda v: (v * v).sum(), (tiny,))
    far = us.tensor([1e-3, 1e3], dtype=us.float64, requires_grad=True)
    assert us.autograd.gradcheck(us.log, (far,))


def test_float32_inputs_are_checked_in_double() -> None:
    assert us.autograd.gradcheck(lambda v: v.exp() * v, (leaf(5, dtype=us.float32),))
    Cube.fault = 1e-2
    with pytest.raises(RuntimeError):
        us.autograd.gradcheck(Cube.apply, (leaf(3, dtype=us.float32),))


def test_the_report_names_input_and_numbers() -> None:
    Cube.fault = 0.5
    x = us.tensor([2.0], dtype=us.float64, requires_grad=True)
    with pytest.raises(RuntimeError) as info:
        us.autograd.gradcheck(Cube.apply, (x,))
    message = str(info.value)
    assert "0" in message
    assert "18" in message
    assert "12" in message or "11.99" in message


def test_constants_among_the_inputs_are_left_alone() -> None:
    constant = us.arange(3)
    assert us.autograd.gradcheck(lambda v, n: v * n, (leaf(3), constant))
    assert constant.tolist() == [0, 1, 2]
    x = leaf(3)
    kept = x.tolist()
    us.autograd.gradcheck(us.sin, (x,))
    assert x.tolist() == kept
    assert x.grad is None


CHAIN = """
import resource
import unspool as us
soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
assert soft == 8192 * 1024, soft
y = us.ones((), requires_grad=True)
for _ in range(1_000_000):
    y = -y
del y
print("done")
"""


def test_a_million_operations_are_freed_without_being_differentiated() -> None:
    """In a process whose stack is limited to 8 MB."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (8192 * 1024, 8192 * 1024))

    command = [sys.executable, "-c", CHAIN]
    result = subprocess.run(
        command, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=280
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "done" in result.stdout


def test_wide_and_deep_graphs_together() -> None:
    x = us.ones(3, requires_grad=True)
    layers = [x]
    for _ in range(2000):
        layers.append(layers[-1] * 0.5 + layers[max(0, len(layers) - 7)] * 0.5)
    layers[-1].sum().backward()
    assert x.grad.tolist() == pytest.approx([1.0] * 3, rel=1e-4)
