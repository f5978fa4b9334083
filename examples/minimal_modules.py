"""Networks from small modules: units from two functions, losses, gradient checks, minibatches as matrices.

A module is a function with parameters, and a network is an ordered dictionary of modules. Nobody writes a
backward pass for the network: each unit knows its own derivative, so a unit can be replaced by another one at
any time. Three things that go wrong when one writes this for the first time are measured here: a gradient
check with a fixed step fails on a large loss though the gradient is right, a loop over samples is slow, and
the gradient of a bias must be summed over the batch.

    python -m unspool.demo minimal_modules
"""

from __future__ import annotations

import argparse
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import unspool as us
from unspool import nn
from unspool.autograd import Function, GradcheckError, gradcheck
from unspool.demo import at_least_one

INPUTS, HIDDEN, CLASSES = 6, 8, 4
STEP = 1e-6  # of the naive gradient check
FAULT = 1e-6  # relative, planted in a derivative


def sine_unit(fault: float = 0.0) -> nn.Module:
    """Make a unit from a function and its derivative, which may be wrong by a factor 1 + fault."""
    return nn.Elementwise(lambda z: us.sin(z), lambda z: us.cos(z) * (1 + fault))


class Gated(nn.Module):
    """The product of a sine unit and a sigmoid gate, added to the input: (batch, n) to (batch, n)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.value = nn.Sequential(OrderedDict(affine=nn.Linear(size, size), unit=sine_unit()))
        self.gate = nn.Sequential(OrderedDict(affine=nn.Linear(size, size), unit=nn.Sigmoid()))
        self.product = nn.Product()
        self.sum = nn.Sum()

    def forward(self, x: us.Tensor) -> us.Tensor:
        """Give x + value(x) ⊙ gate(x)."""
        result: us.Tensor = self.sum(x, self.product(self.value(x), self.gate(x)))
        return result


def make_network() -> nn.Sequential:
    """Make the network, in double precision."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["encoder"] = nn.Linear(INPUTS, HIDDEN)
    parts["unit"] = sine_unit()
    parts["gated"] = Gated(HIDDEN)
    parts["scores"] = nn.Linear(HIDDEN, CLASSES)
    return nn.Sequential(parts).double()


def least_squares(scores: us.Tensor, targets: us.Tensor) -> us.Tensor:
    """Give half the sum of squared errors; scores and targets (batch, classes)."""
    return 0.5 * ((scores - targets) ** 2).sum()


LOSSES: dict[str, Callable[[us.Tensor, us.Tensor], us.Tensor]] = {
    "hinge": nn.MultiMarginLoss(),
    "softmax": nn.CrossEntropyLoss(),
}


def train(loss: Callable[[us.Tensor, us.Tensor], us.Tensor], steps: int) -> tuple[float, float]:
    """Learn which of four quadrants a point lies in; give the loss before and after."""
    us.manual_seed(1)
    network = make_network()
    x = us.randn(200, INPUTS, dtype=us.float64)
    labels = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
    optimizer = us.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(network(x), labels)
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values[0], values[-1]


# Gradient checks ------------------------------------------------------------------------------------------


def naive_check(loss: Callable[[], us.Tensor], parameters: Sequence[us.Tensor]) -> float:
    """Compare gradients with central differences of a fixed step; give the largest relative error."""
    for parameter in parameters:
        parameter.grad = None
    loss().backward()
    worst = 0.0
    for parameter in parameters:
        values = parameter.detach().numpy().reshape(-1)
        gradient = [] if parameter.grad is None else parameter.grad.reshape(-1).tolist()
        for i, analytic in enumerate(gradient):
            start = values[i]
            values[i] = start + STEP
            above = loss().item()
            values[i] = start - STEP
            below = loss().item()
            values[i] = start
            numeric = (above - below) / (2 * STEP)
            worst = max(worst, abs(numeric - analytic) / max(abs(numeric) + abs(analytic), 1e-300))
    return worst


def passes(loss: Callable[[], us.Tensor], parameters: Sequence[us.Tensor]) -> bool:
    """Tell what unspool's check says, whose steps follow the size of what is changed."""
    try:
        return gradcheck(lambda *_: loss(), tuple(parameters))
    except GradcheckError:
        return False


def check_large_loss(scale: float) -> dict[str, float]:
    """Check gradients of a loss of about 5e7: right ones, and ones with a relative fault of 1e-6."""
    us.manual_seed(2)
    network = make_network()
    x = us.randn(10, INPUTS, dtype=us.float64)
    targets = scale * us.randn(10, CLASSES, dtype=us.float64)
    parameters = list(network.parameters())

    def loss() -> us.Tensor:
        return least_squares(network(x), targets)

    found = {"large_loss": loss().item(), "naive_error": naive_check(loss, parameters)}
    found["right_passes"] = float(passes(loss, parameters))
    network.unit = sine_unit(FAULT)  # another unit; nothing else changes
    found["fault_passes"] = float(passes(loss, parameters))
    return found


# Minibatches ----------------------------------------------------------------------------------------------


def gradients(network: nn.Module, x: us.Tensor, targets: us.Tensor, together: bool) -> list[Any]:
    """Compute the gradients of all parameters for a batch: as matrices, or sample by sample."""
    network.zero_grad()
    if together:
        least_squares(network(x), targets).backward()
    else:
        for i in range(x.shape[0]):
            least_squares(network(x[i : i + 1]), targets[i : i + 1]).backward()
    return [p.grad.numpy().copy() for p in network.parameters() if p.grad is not None]


def compare_batches(batch: int, rounds: int) -> dict[str, float]:
    """Time both ways in turn, and compare what they give."""
    us.manual_seed(3)
    network = make_network()
    x, targets = us.randn(batch, INPUTS, dtype=us.float64), us.randn(batch, CLASSES, dtype=us.float64)
    best = {True: np.inf, False: np.inf}
    results: dict[bool, list[Any]] = {}
    for _ in range(rounds):
        for together in (True, False):
            start = time.perf_counter()
            results[together] = gradients(network, x, targets, together)
            best[together] = min(best[together], time.perf_counter() - start)
    apart = max(float(np.abs(a - b).max()) for a, b in zip(*results.values(), strict=True))
    return {"loop_over_matrix": best[False] / best[True], "batch_difference": apart}


class Affine(Function):
    """x·wᵀ + b with its derivatives by hand: right, or with the bias taken as for a single sample."""

    trap = False

    @staticmethod
    def forward(ctx: Any, x: us.Tensor, w: us.Tensor, b: us.Tensor) -> us.Tensor:
        """Map x (batch, in) by w (out, in) and b (out,) to (batch, out)."""
        ctx.save_for_backward(x, w)
        return x @ w.t() + b

    @staticmethod
    def backward(ctx: Any, g: us.Tensor) -> tuple[us.Tensor, us.Tensor, us.Tensor]:
        """Give the gradients of x, w and b from that of the result, (batch, out)."""
        x, w = ctx.saved_tensors
        return g @ w, g.t() @ x, g[0] if Affine.trap else g.sum(0)


def bias_gradient(batch: int, trap: bool) -> us.Tensor:
    """Compute the gradient of the bias of an affine map, over a batch, with the derivatives by hand."""
    us.manual_seed(4)
    x = us.randn(batch, INPUTS, dtype=us.float64)
    w = us.randn(CLASSES, INPUTS, dtype=us.float64, requires_grad=True)
    b = us.zeros(CLASSES, dtype=us.float64, requires_grad=True)
    Affine.trap = trap
    try:
        (gradient,) = us.autograd.grad((Affine.apply(x, w, b) ** 2).sum(), b)
    finally:
        Affine.trap = False
    return gradient


def spring_trap(batch: int) -> tuple[float, us.GradientError | None]:
    """Take the bias gradient of one sample for the batch's: by how much it is off, and what verify says."""
    right, wrong = bias_gradient(batch, trap=False), bias_gradient(batch, trap=True)
    error = None
    try:
        with us.verify():
            bias_gradient(batch, trap=True)
    except us.GradientError as caught:
        error = caught
    return float((right - wrong).norm() / right.norm()), error


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Run everything; give the printed numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m unspool.demo minimal_modules", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--steps", type=at_least_one, default=200, help="of training")
    parser.add_argument("--batch", type=at_least_one, default=64, help="samples in a minibatch")
    parser.add_argument("--scale", type=float, default=1.6e3, help="of the targets of the large loss")
    parser.add_argument("--quick", action="store_true", help="few steps")
    options = parser.parse_args(argv)

    print(make_network())
    print("parameters:", ", ".join(name for name, _ in make_network().named_parameters()))
    found: dict[str, float] = {}
    for name, loss in LOSSES.items():
        before, after = train(loss, 20 if options.quick else options.steps)
        found[f"{name}_before"], found[f"{name}_after"] = before, after
        print(f"{name} loss: {before:.4f} before training, {after:.4f} after")
    found |= check_large_loss(options.scale)
    print(f"least-squares loss: {found['large_loss']:.3g}")
    print(f"  differences with a fixed step of {STEP:g}: relative error {found['naive_error']:.1e}")
    print(f"  gradcheck passes the right gradient: {bool(found['right_passes'])}")
    print(f"  gradcheck passes a fault of {FAULT:g} in one unit: {bool(found['fault_passes'])}")
    found |= compare_batches(options.batch, 3 if options.quick else 10)
    print(
        f"a loop over {options.batch} samples takes {found['loop_over_matrix']:.1f} times as long as matrices"
    )
    print(f"  and gives the same gradients to {found['batch_difference']:.1e}")
    found["trap_error"], error = spring_trap(options.batch)
    found["trap_found"] = float(error is not None)
    print(f"a bias gradient that is not summed over the batch is off by {found['trap_error']:.0%}:")
    print(f"  {error}")
    return found


if __name__ == "__main__":
    main()
