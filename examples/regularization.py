"""Four ways against learning few digits by heart: what each does to the loss, and what it costs.

A network of 85,000 weights sees 250 digits, and is judged by the others. Alone it soon knows those 250 by
heart and grows too sure of itself: the loss on other digits rises again. Dropout, weight decay, a bottleneck
with about a quarter of the weights, and stopping in time are compared: they differ in what they do to the
loss, to the share of digits read, and to the work. Every figure is a mean over several seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.nn.blocks import Bottleneck
from unspool.train import EarlyStopping

TRAINED, WATCHED = 250, 250  # digits to learn from, and to decide by when to stop


@dataclass
class Data:
    """Digits to learn from, to watch while learning, and to be judged by."""

    x: us.Tensor
    y: us.Tensor
    x_watched: us.Tensor
    y_watched: us.Tensor
    x_test: us.Tensor
    y_test: us.Tensor


@dataclass(frozen=True)
class Way:
    """A network, its weight decay, and whether it stops early."""

    build: Callable[[], nn.Module]
    weight_decay: float = 0.0
    stops_early: bool = False


def plain(dropout: float = 0.0) -> nn.Module:
    """Give 64-256-256-10, with dropout behind each hidden layer where it is asked for."""
    layers: list[nn.Module] = []
    for inputs in (64, 256):
        layers += [nn.Linear(inputs, 256), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(256, 10))


def narrow() -> nn.Module:
    """Give the same with a residual bottleneck of width 8 as the second layer."""
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), Bottleneck(256, 8), nn.ReLU(), nn.Linear(256, 10))


WAYS = {
    "nothing": Way(plain),
    "dropout": Way(lambda: plain(0.5)),
    "weight decay": Way(plain, weight_decay=1.0),
    "bottleneck": Way(narrow),
    "early stopping": Way(plain, stops_early=True),
}


def load_data(seed: int, noise: float) -> Data:
    """Give the digits in random order, with some noise on the pixels, which makes them harder."""
    us.manual_seed(seed)
    digits = load_digits()
    order = us.randperm(len(digits.target))
    x = us.tensor(digits.data, dtype=us.float32)[order] / 16
    x, y = x + noise * us.randn_like(x), us.tensor(digits.target)[order]
    ends = (TRAINED, TRAINED + WATCHED)
    return Data(
        x[: ends[0]], y[: ends[0]], x[ends[0] : ends[1]], y[ends[0] : ends[1]], x[ends[1] :], y[ends[1] :]
    )


def judge(model: nn.Module, x: us.Tensor, y: us.Tensor) -> tuple[float, float]:
    """Give loss and accuracy."""
    model.eval()
    with us.no_grad():
        scores = model(x)
        return F.cross_entropy(scores, y).item(), (scores.argmax(1) == y).double().mean().item()


def train(way: Way, data: Data, epochs: int, seed: int) -> tuple[nn.Module, list[float]]:
    """Give the trained network, and its loss on the test digits after each epoch."""
    us.manual_seed(seed)
    model = way.build()
    optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=way.weight_decay)
    stopping = EarlyStopping(patience=5, restore_best=True)
    losses = []
    for _ in range(epochs):
        model.train()
        for batch in us.randperm(TRAINED).split(32):
            loss = F.cross_entropy(model(data.x[batch]), data.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(judge(model, data.x_test, data.y_test)[0])
        watched, _ = judge(model, data.x_watched, data.y_watched)
        if way.stops_early and stopping.step(watched, model):
            break
    return model, losses


def draw(path: Path, curves: dict[str, list[float]]) -> None:
    """Write the test losses of one seed as a picture."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes: Any = figure.subplots()
    for name, losses in curves.items():
        axes.plot(range(1, len(losses) + 1), losses, label=name, marker="" if len(losses) > 30 else ".")
    axes.set(xlabel="epoch", ylabel="cross-entropy of digits never seen", yscale="log")
    axes.grid(color="#dde2e8", linewidth=0.8)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train in every way with every seed; print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="one seed, few epochs")
    parser.add_argument("--noise", type=float, default=0.15, help="standard deviation of noise on the pixels")
    options = parser.parse_args(argv)
    seeds, epochs = (1, 12) if options.quick else (5, 80)

    results: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    print(f"{'':<15} {'weights':>8} {'epochs':>7} {'training':>9} {'test':>7} {'test loss':>10}")
    for name, way in WAYS.items():
        totals = [0.0] * 4
        for seed in range(seeds):
            data = load_data(seed, options.noise)
            model, losses = train(way, data, epochs, seed)
            curves.setdefault(name, losses)
            _, known = judge(model, data.x, data.y)
            test_loss, accuracy = judge(model, data.x_test, data.y_test)
            figures = (len(losses), known, accuracy, test_loss)
            totals = [total + each / seeds for total, each in zip(totals, figures, strict=True)]
        weights = sum(p.numel() for p in model.parameters())
        count, known, accuracy, test_loss = totals
        print(f"{name:<15} {weights:>8} {count:>7.1f} {known:>9.1%} {accuracy:>7.1%} {test_loss:>10.4f}")
        results |= {f"{name}: accuracy": accuracy, f"{name}: loss": test_loss, f"{name}: epochs": count}
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "regularization.png", curves)
    return results


if __name__ == "__main__":
    main()
