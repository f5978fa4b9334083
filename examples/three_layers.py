"""A network with two hidden layers, its gradients written as mathematics and verified layer by layer.

The exercise: 3 inputs, two hidden layers of 4 sigmoid units, 2 linear outputs; the cost is the mean over the
batch of half the squared norm of the error. Its backward pass by hand is where one loses the overview: which
factor is transposed, over what is summed? Here the shapes can be read from the output of ``unspool.explain``,
and ``unspool.verify`` compares each gradient with differences while it runs, a hand-written one included.

    python -m unspool.demo three_layers
    python -m unspool.demo three_layers --sizes 3 8 8 8 2 --columns
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import unspool as us
from unspool.autograd import Function
from unspool.demo import at_least_one

Layers = list[tuple[us.Tensor, us.Tensor]]


def layer(inputs: us.Tensor, weight: us.Tensor, bias: us.Tensor, columns: bool) -> us.Tensor:
    """Give the weighted inputs of one layer.

    Args:
        inputs: one sample per row, (batch, in), or per column, (in, batch).
        weight: (out, in).
        bias: (out,) for rows, (out, 1) for columns.
        columns: how samples lie.

    Returns:
        (batch, out), or (out, batch).
    """
    return weight @ inputs + bias if columns else inputs @ weight.t() + bias


def make_layers(sizes: Sequence[int], columns: bool, generator: us.Generator) -> Layers:
    """Draw a (weight, bias) pair for each layer, in double precision."""
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        weight = us.randn(fan_out, fan_in, generator=generator, dtype=us.float64)
        bias = us.randn(*((fan_out, 1) if columns else (fan_out,)), generator=generator, dtype=us.float64)
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def predict(layers: Layers, X: us.Tensor, columns: bool) -> us.Tensor:
    """Run all layers: sigmoid units in the hidden ones, linear units in the last."""
    activations = X
    for weight, bias in layers[:-1]:
        activations = us.sigmoid(layer(activations, weight, bias, columns))
    return layer(activations, *layers[-1], columns)


def cost(prediction: us.Tensor, Y: us.Tensor, columns: bool) -> us.Tensor:
    """Average half the squared norm of the error over the samples."""
    error = prediction - Y
    return 0.5 * (error * error).sum(0 if columns else 1).mean()


def names_of(layers: Layers) -> dict[str, us.Tensor]:
    """Call the parameters W1, b1, W2, ..."""
    pairs = enumerate(layers, 1)
    return {f"{letter}{i}": tensor for i, pair in pairs for letter, tensor in zip("Wb", pair, strict=True)}


def gradients_by_hand(layers: Layers, X: us.Tensor, Y: us.Tensor, columns: bool) -> list[Any]:
    """Do in NumPy what the explained lines say, with samples as columns."""
    weights = [weight.detach().numpy() for weight, _ in layers]
    biases = [bias.detach().numpy().reshape(-1, 1) for _, bias in layers]
    x, y = (X.numpy(), Y.numpy()) if columns else (X.numpy().T, Y.numpy().T)
    a = [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        a.append(1 / (1 + np.exp(-(weight @ a[-1] + bias))))
    dz = (weights[-1] @ a[-1] + biases[-1] - y) / x.shape[1]
    found: list[Any] = []
    for l in reversed(range(len(weights))):  # noqa: E741 (a layer)
        found = [dz @ a[l].T, dz.sum(axis=1), *found]
        if l:
            dz = (weights[l].T @ dz) * a[l] * (1 - a[l])
    return found


class SigmoidByHand(Function):
    """The sigmoid with its derivative written out: right, or with the slip that everyone has made once."""

    slip = False

    @staticmethod
    def forward(ctx: Any, z: us.Tensor) -> us.Tensor:
        """Compute a = 1 / (1 + exp(-z)), any shape."""
        a = 1 / (1 + us.exp(-z))
        ctx.save_for_backward(z, a)
        return a

    @staticmethod
    def backward(ctx: Any, da: us.Tensor) -> us.Tensor:
        """Compute dz = da · a · (1 - a); the slip takes z for a."""
        z, a = ctx.saved_tensors
        slope: us.Tensor = z * (1 - z) if SigmoidByHand.slip else a * (1 - a)
        return da * slope


def is_found(X: us.Tensor, slip: bool) -> us.GradientError | None:
    """Run one unit of SigmoidByHand under verification; give what it raises."""
    SigmoidByHand.slip = slip
    try:
        with us.verify():
            SigmoidByHand.apply(X.clone().requires_grad_()).sum().backward()
    except us.GradientError as error:
        return error
    finally:
        SigmoidByHand.slip = False
    return None


def train(layers: Layers, X: us.Tensor, Y: us.Tensor, columns: bool, steps: int, rate: float) -> list[float]:
    """Descend along the gradient; give the cost before each step and after the last."""
    parameters = [tensor for pair in layers for tensor in pair]
    optimizer = us.optim.SGD(parameters, lr=rate)
    costs = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = cost(predict(layers, X, columns), Y, columns)
        value.backward()
        optimizer.step()
        costs.append(value.item())
    return [*costs, cost(predict(layers, X, columns), Y, columns).item()]


def plot(costs: list[float], path: Path) -> None:
    """Draw the cost over the steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(costs)
    axes.set_xlabel("step")
    axes.set_ylabel("cost")
    axes.grid(alpha=0.3)
    figure.savefig(path)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m unspool.demo three_layers", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--sizes", type=at_least_one, nargs="+", default=[3, 4, 4, 2], help="units per layer")
    parser.add_argument("--batch", type=at_least_one, default=5, help="number of samples")
    parser.add_argument("--columns", action="store_true", help="samples are columns, not rows")
    parser.add_argument("--steps", type=at_least_one, default=500)
    parser.add_argument("--rate", type=float, default=0.5, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, help="folder for a plot of the cost, and the mathematics as Markdown"
    )
    parser.add_argument("--quick", action="store_true", help="few steps")
    options = parser.parse_args(argv)
    if len(options.sizes) < 2:
        parser.error("--sizes: name the units of at least two layers, inputs and outputs")
    return options


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Explain, verify and train the network; give the printed numbers."""
    options = parse(argv)
    columns = options.columns
    generator = us.Generator().manual_seed(options.seed)
    layers = make_layers(options.sizes, columns, generator)
    X, Y = (
        us.randn(
            *((size, options.batch) if columns else (options.batch, size)),
            generator=generator,
            dtype=us.float64,
        )
        for size in (options.sizes[0], options.sizes[-1])
    )

    loss = cost(predict(layers, X, columns), Y, columns)
    explanation = us.explain(loss, names={**names_of(layers), "X": X, "Y": Y})
    print(explanation)

    with us.verify() as verifier:
        loss = cost(predict(layers, X, columns), Y, columns)
        loss.backward()
    tensors = [tensor.grad for pair in layers for tensor in pair if tensor.grad is not None]
    by_hand = gradients_by_hand(layers, X, Y, columns)
    apart = max(
        float(np.abs(tensor.numpy().reshape(g.shape) - g).max())
        for tensor, g in zip(tensors, by_hand, strict=True)
    )
    slip = is_found(X, slip=True)
    print(f"\nverified: {verifier.checked} gradients agree with differences")
    print(f"largest difference from the gradients by hand: {apart:.1e}")
    print(f"a slip in a hand-written derivative: {slip}")

    costs = train(layers, X, Y, columns, 20 if options.quick else options.steps, options.rate)
    print(f"cost: {costs[0]:.6f} before training, {costs[-1]:.6f} after {len(costs) - 1} steps")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        plot(costs, options.out / "three_layers.svg")
        (options.out / "three_layers.md").write_text(explanation.markdown() + "\n", encoding="utf-8")
    return {
        "gradients_verified": verifier.checked,
        "largest_difference_by_hand": apart,
        "slip_found": float(slip is not None and is_found(X, slip=False) is None),
        "first_cost": costs[0],
        "last_cost": costs[-1],
    }


if __name__ == "__main__":
    main()
