"""What batch normalization buys: a deep network of sigmoids learns, and at rates over a wide range.

Each hidden layer's inputs are brought to mean 0 and variance 1 over the batch, then scaled and shifted by
learnt numbers (Ioffe and Szegedy 2015). With it and without, the same network is trained at rates over four
decades. The second part shows the trap: statistics of a batch belong to training; afterwards running averages
take their place, and a network left in training mode judges a digit by the company it is in.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import at_least_one

RATES = (0.001, 0.01, 0.1, 1.0, 10.0)


def build(depth: int, is_normalized: bool) -> nn.Sequential:
    """Give ``depth`` hidden layers of 64 sigmoids."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers.append(nn.Linear(64, 64))
        layers += [nn.BatchNorm1d(64)] if is_normalized else []
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers, nn.Linear(64, 10))


def accuracy(model: nn.Module, x: us.Tensor, y: us.Tensor) -> float:
    """Give the share of digits read correctly, in the mode that the model is in."""
    with us.no_grad():
        return float((model(x).argmax(1) == y).double().mean())


def train(model: nn.Module, rate: float, epochs: int, x: us.Tensor, y: us.Tensor) -> list[float]:
    """Train by plain SGD; give the mean training loss of each epoch."""
    optimizer = optim.SGD(model.parameters(), lr=rate)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in us.randperm(len(y)).split(60):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch) / len(y)
        losses.append(total)
    return losses


def draw(path: Path, curves: dict[str, list[float]], table: dict[str, list[float]]) -> None:
    """Write the curves of the best rates, and the accuracies over the rates, as a picture."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    axes: Any
    for name, losses in curves.items():
        left.plot(range(1, len(losses) + 1), losses, label=name)
        right.plot(RATES, table[name], "o-", label=name)
    left.set(xlabel="epoch", ylabel="training loss", title="at the best rate of each")
    right.set(xscale="log", xlabel="learning rate", ylabel="test accuracy", ylim=(0, 1))
    for axes in (left, right):
        axes.grid(color="#dde2e8", linewidth=0.8)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train both networks at every rate, then show the trap."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="few epochs")
    parser.add_argument("--depth", type=at_least_one, default=4, help="hidden layers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    epochs = 3 if options.quick else 20
    us.manual_seed(options.seed)
    digits = load_digits()
    order = us.randperm(len(digits.target))
    x = us.tensor(digits.data, dtype=us.float32)[order] / 16
    y = us.tensor(digits.target)[order]
    x, y, x_test, y_test = x[360:], y[360:], x[:360], y[:360]

    results: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    table: dict[str, list[float]] = {}
    print(f"test accuracy after {epochs} epochs at learning rate")
    print(f"{'':<12}" + "".join(f"{rate:>9g}" for rate in RATES))
    for name, is_normalized in (("plain", False), ("normalized", True)):
        table[name], losses = [], []
        for rate in RATES:
            us.manual_seed(options.seed)
            model = build(options.depth, is_normalized)
            losses.append(train(model, rate, epochs, x, y))
            model.eval()
            table[name].append(accuracy(model, x_test, y_test))
            results[f"{name} at {rate:g}"] = table[name][-1]
            if is_normalized and table[name][-1] == max(table[name]):
                best = model
        curves[name] = losses[table[name].index(max(table[name]))]
        print(f"{name:<12}" + "".join(f"{share:>9.1%}" for share in table[name]))

    # The trap: a batch of one kind of digit, in training mode and as it should be.
    sevens, labels = x_test[y_test == 7], y_test[y_test == 7]
    alone = accuracy(best.eval(), sevens, labels)
    results["sevens alone, eval()"] = alone
    among = accuracy(best.train(), sevens, labels)
    results["sevens alone, train()"] = among
    print(f"a batch of sevens only: {alone:.1%} read correctly in eval(), {among:.1%} when left in train()")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "batch_normalization.png", curves, table)
    return results


if __name__ == "__main__":
    main()
