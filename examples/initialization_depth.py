"""Why initial weights have the variance they have: fifty layers, forwards and backwards.

A layer z' = W f(z) of n units, with weights of variance v / n, multiplies the variance q of its inputs by
v E[f(z)^2] / q, and that of gradients, on their way back, by v E[f'(z)^2], where z is normal with variance q
(Glorot and Bengio 2010; He et al. 2015; for any f: Poole et al. 2016, Schoenholz et al. 2017). Over fifty
layers any factor but one makes an enormous or a vanishing number of it. Both variances are measured here in
random networks, plotted over depth against this prediction, and two of the networks are trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import at_least_one
from unspool.train import Features

Initializer = Callable[[us.Tensor], Any]


def naive(weight: us.Tensor) -> None:
    """The old rule of thumb: uniform between -1 / sqrt(n) and 1 / sqrt(n), which is a variance of 1 / 3n."""
    bound = weight.shape[1] ** -0.5
    nn.init.uniform_(weight, -bound, bound)


def he(weight: us.Tensor) -> None:
    """Variance 2 / n: half of what a ReLU is given is lost."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


# Name: the activation, how weights are drawn, and n times their variance.
CASES: dict[str, tuple[type[nn.Module], Initializer, float]] = {
    "ReLU, naive": (nn.ReLU, naive, 1 / 3),
    "ReLU, Xavier": (nn.ReLU, nn.init.xavier_normal_, 1.0),
    "ReLU, He": (nn.ReLU, he, 2.0),
    "tanh, naive": (nn.Tanh, naive, 1 / 3),
    "tanh, Xavier": (nn.Tanh, nn.init.xavier_normal_, 1.0),
}


def build(case: str, depth: int, width: int, inputs: int, dtype: us.dtype) -> nn.Sequential:
    """Give a network of ``depth`` layers without biases."""
    activation, initialize, _ = CASES[case]
    layers: list[nn.Module] = []
    for index in range(depth):
        linear = nn.Linear(inputs if index == 0 else width, width, bias=False, dtype=dtype)
        initialize(linear.weight)
        layers += [linear, activation()]
    return nn.Sequential(*layers)


def measure(case: str, depth: int, width: int, networks: int, x: us.Tensor) -> tuple[Any, Any]:
    """Give the variances (depth,) of every layer's z and of the gradient with respect to it.

    The gradient is that of a random projection of the last layer; both are means over several networks.
    """
    forward, backward = np.zeros(depth), np.zeros(depth)
    for _ in range(networks):
        model = build(case, depth, width, x.shape[1], us.float64)
        paths = [str(2 * index) for index in range(depth)]
        with Features(model, *paths) as seen:
            model(x)
        zs = [seen[path] for path in paths]
        gradients = us.autograd.grad(zs[-1], zs, us.randn(*zs[-1].shape, dtype=us.float64))
        forward += [z.square().mean().item() / networks for z in zs]
        backward += [g.square().mean().item() / networks for g in gradients]
    return forward, backward


def predict(case: str, depth: int, first: float, last: float) -> tuple[Any, Any]:
    """Give the same from the two factors, starting at the variance of the first z and the last gradient."""
    activation, _, scale = CASES[case]
    points = np.linspace(-8, 8, 4001)  # of a normal number
    density = np.exp(-(points**2) / 2)
    density /= density.sum()
    forward, slopes = [first], []
    for _ in range(depth - 1):
        z = us.tensor(np.sqrt(forward[-1]) * points, requires_grad=True)
        y = activation()(z)
        (slope,) = us.autograd.grad(y.sum(), z)
        slopes.append(scale * (slope.numpy() ** 2 * density).sum())
        forward.append(scale * (y.detach().numpy() ** 2 * density).sum())
    backward = last * np.cumprod([1.0, *slopes[::-1]])[::-1]
    return np.array(forward), backward


def trained_loss(case: str, depth: int, epochs: int, x: us.Tensor, y: us.Tensor) -> float:
    """Give the loss of a network of 64 units a layer after some epochs of Adam."""
    us.manual_seed(0)
    model = nn.Sequential(build(case, depth, 64, x.shape[1], us.float32), nn.Linear(64, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in us.randperm(len(y)).split(64):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with us.no_grad():
        return float(F.cross_entropy(model(x), y))


def draw(path: Path, measured: dict[str, Any], predicted: dict[str, Any]) -> None:
    """Write both variances over depth as a picture: dots measured, lines predicted."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels: Any = figure.subplots(1, 2)
    for side, (axes, title) in enumerate(
        zip(panels, ("variance of z", "variance of its gradient"), strict=True)
    ):
        for index, case in enumerate(CASES):
            layers = np.arange(1, len(measured[case][side]) + 1)
            axes.plot(layers, measured[case][side], ".", color=f"C{index}", label=case)
            axes.plot(layers, predicted[case][side], color=f"C{index}", linewidth=1)
        axes.set(yscale="log", xlabel="layer", title=title)
        axes.grid(color="#dde2e8", linewidth=0.8)
    panels[0].legend(frameon=False)
    figure.suptitle("dots: measured; lines: predicted")
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Measure, predict, compare, and train two of the networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="narrower, fewer networks")
    parser.add_argument("--depth", type=at_least_one, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    width, networks, epochs = (128, 3, 2) if options.quick else (256, 10, 8)
    us.manual_seed(options.seed)
    digits = load_digits()
    order = us.randperm(len(digits.target))
    x = us.tensor(digits.data[:, digits.data.std(0) > 0])[order]
    x = (x - x.mean(0)) / x.std(0)
    y = us.tensor(digits.target)[order]

    results: dict[str, float] = {}
    measured, predicted = {}, {}
    print(f"variances in layer {options.depth} over layer 1 (gradients: 1 over {options.depth})")
    print(f"{'':<14} {'z':>10} {'predicted':>10} {'gradient':>10} {'predicted':>10}")
    for case in CASES:
        measured[case] = measure(case, options.depth, width, networks, x[:64])
        predicted[case] = predict(case, options.depth, measured[case][0][0], measured[case][1][-1])
        ratios = []
        for z, gradient in (measured[case], predicted[case]):
            ratios.append((z[-1] / z[0], gradient[0] / gradient[-1]))
        (z, gradient), (z_predicted, gradient_predicted) = ratios
        print(f"{case:<14} {z:>10.2g} {z_predicted:>10.2g} {gradient:>10.2g} {gradient_predicted:>10.2g}")
        results |= {f"{case}: z": z, f"{case}: z predicted": z_predicted}
        results |= {f"{case}: gradient": gradient, f"{case}: gradient predicted": gradient_predicted}
    for case in ("ReLU, naive", "ReLU, He"):
        loss = trained_loss(case, options.depth, epochs, x.float(), y)
        print(f"loss after {epochs} epochs, {case}: {loss:.4f}")
        results[f"{case}: loss"] = loss
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "initialization_depth.png", measured, predicted)
    return results


if __name__ == "__main__":
    main()
