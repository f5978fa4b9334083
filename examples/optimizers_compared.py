"""Seven optimizers on one network: how fast each learns to read digits, at the best of a few rates.

All start from the same weights and see the same batches, so that what differs is the rule alone. A rule is
only as good as its learning rate: each is tried at several, each a few times the one before, and shown at the
one whose training loss is lowest in the end.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import at_least_one

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SMALL_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)  # for rules that divide by the size of the gradient
LEARNT = 0.1  # a training loss at which the digits are learnt

Rule = Callable[..., optim.Optimizer]
RULES: dict[str, tuple[Rule, tuple[float, ...]]] = {
    "SGD": (optim.SGD, RATES),
    "momentum": (lambda p, lr: optim.SGD(p, lr, momentum=0.9), RATES),
    "Nesterov": (lambda p, lr: optim.SGD(p, lr, momentum=0.9, nesterov=True), RATES),
    "Adagrad": (optim.Adagrad, (*SMALL_RATES, 0.1, 0.3)),
    "RMSProp": (optim.RMSprop, SMALL_RATES),
    "Adadelta": (optim.Adadelta, (0.3, 1.0, 3.0, 10.0)),
    "Adam": (optim.Adam, SMALL_RATES),
}


def load_data(seed: int) -> tuple[us.Tensor, us.Tensor, us.Tensor, us.Tensor]:
    """Give training images (n, 64) and labels, then those held out."""
    digits = load_digits()
    order = us.randperm(len(digits.target), generator=us.Generator().manual_seed(seed))
    x = us.tensor(digits.data, dtype=us.float32)[order] / 16
    y = us.tensor(digits.target)[order]
    return x[360:], y[360:], x[:360], y[:360]


def train(
    rule: Rule, rate: float, data: Sequence[us.Tensor], epochs: int, seed: int
) -> tuple[list[float], float]:
    """Give the training loss after each epoch, and the accuracy on what was held out."""
    x, y, x_test, y_test = data
    us.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    optimizer = rule(model.parameters(), lr=rate)
    losses = []
    for _ in range(epochs):
        for batch in us.randperm(len(y)).split(48):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with us.no_grad():
            losses.append(F.cross_entropy(model(x), y).item())
    with us.no_grad():
        return losses, (model(x_test).argmax(1) == y_test).double().mean().item()


def draw(path: Path, curves: dict[str, list[float]], rates: dict[str, float]) -> None:
    """Write the training losses as a picture."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes: Any = figure.subplots()
    for name, losses in curves.items():
        axes.plot(range(1, len(losses) + 1), losses, label=f"{name}, rate {rates[name]:g}")
    axes.axhline(LEARNT, color="#999999", linewidth=0.8, linestyle="--")
    axes.set(yscale="log", xlabel="epoch", ylabel="cross-entropy of the training digits")
    axes.grid(color="#dde2e8", linewidth=0.8)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train with every rule at every rate; print the best of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="few epochs")
    parser.add_argument("--epochs", type=at_least_one, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    epochs = 2 if options.quick else options.epochs
    data = load_data(options.seed)

    results: dict[str, float] = {}
    curves, chosen = {}, {}
    print(f"{'rule':<10} {'rate':>7} {'final loss':>11} {'loss < ' + str(LEARNT):>12} {'test accuracy':>14}")
    for name, (rule, rates) in RULES.items():
        runs = {rate: train(rule, rate, data, epochs, options.seed) for rate in rates}
        rate = min(runs, key=lambda each: runs[each][0][-1])
        losses, accuracy = runs[rate]
        learnt = next((epoch for epoch, loss in enumerate(losses, 1) if loss < LEARNT), None)
        when = "never" if learnt is None else f"epoch {learnt}"
        print(f"{name:<10} {rate:>7g} {losses[-1]:>11.5f} {when:>12} {accuracy:>14.1%}")
        curves[name], chosen[name] = losses, rate
        results |= {f"{name} rate": rate, f"{name} loss": losses[-1], f"{name} accuracy": accuracy}
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "optimizers_compared.png", curves, chosen)
    return results


if __name__ == "__main__":
    main()
