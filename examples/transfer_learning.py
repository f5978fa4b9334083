"""What a network learnt from digits 0 to 4 helps it with 5 to 9, of which it sees ten each.

The digits lie anywhere on a larger page, turned and of different sizes, which fifty examples are too few to
teach. A convolutional network is trained on the first five digits, placed anew each time. Its features are
then loaded, by another name, into a network for the other five, in two ways: frozen below a new last layer,
or trained on at rates that fall towards the input. Both are compared with the same network from scratch, over
ten choices of the fifty digits and of the initial weights.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
import unspool.nn.functional as F
from unspool import augment as A
from unspool import nn, optim
from unspool.train import freeze, load_matching, parameter_groups

PER_CLASS, EDGE = 10, 3  # digits of a class; pixels of paper around them
PLACE = A.Compose([A.Shift(EDGE, whole=True), A.Rotate(20), A.Scale(0.8, 1.2)])
WAYS = ("from scratch", "frozen features", "fine-tuned")


def build(name: str) -> nn.Sequential:
    """Give a network for five classes of 14 x 14 images whose features are called ``name``."""
    features = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(288, 64), nn.ReLU(),
    )  # fmt: skip
    return nn.Sequential(OrderedDict({name: features, "head": nn.Linear(64, 5)}))


def train(
    model: nn.Module, optimizer: optim.Optimizer, x: us.Tensor, y: us.Tensor, steps: int, place: A.Compose
) -> None:
    """Train on random batches of 50, placed anew."""
    for _ in range(steps):
        batch = us.randperm(len(y))[:50]
        loss = F.cross_entropy(model(place(x[batch])), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@us.no_grad()
def accuracy(model: nn.Module, x: us.Tensor, y: us.Tensor) -> float:
    """Give the share of digits read correctly."""
    return float((model(x).argmax(1) == y).double().mean())


def few(y: us.Tensor) -> tuple[us.Tensor, us.Tensor]:
    """Choose ``PER_CLASS`` places of each class, and all others."""
    order = us.randperm(len(y))
    chosen = us.cat([order[y[order] == digit][:PER_CLASS] for digit in range(5)])
    is_chosen = us.zeros(len(y), dtype=us.bool)
    is_chosen[chosen] = True
    return chosen, us.arange(len(y))[~is_chosen]


def learn(way: str, trained: dict[str, us.Tensor], x: us.Tensor, y: us.Tensor, steps: int) -> nn.Module:
    """Give a network that has learnt the new digits in one of the ways."""
    model = build("features")
    if way == "from scratch":
        optimizer = optim.Adam(model.parameters(), lr=3e-3)
    else:
        load_matching(model, trained, {"backbone": "features"}, only="features")
        if way == "frozen features":
            freeze(model, "features")
        optimizer = optim.Adam(parameter_groups(model, 3e-3, depth_decay=0.5))
    train(model, optimizer, x, y, steps, A.Compose([]))
    return model


def draw(path: Path, accuracies: dict[str, list[float]]) -> None:
    """Write the accuracies of all seeds as a picture: a line for each seed."""
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes: Any = figure.subplots()
    for shares in zip(*accuracies.values(), strict=True):
        axes.plot(range(len(shares)), shares, "o-", color="#1f5fa8", alpha=0.4)
    axes.set_xticks(range(len(accuracies)), list(accuracies))
    axes.set(
        ylabel="accuracy on digits 5 to 9 not seen", title="ten each to learn from; a line for each seed"
    )
    axes.grid(axis="y", color="#dde2e8", linewidth=0.8)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train on 0 to 4, then learn 5 to 9 in every way with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="two seeds, few steps")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    seeds, steps = (2, 40) if options.quick else (10, 80)
    digits = load_digits()
    us.manual_seed(options.seed)
    x, y = (
        F.pad(us.tensor(digits.images, dtype=us.float32)[:, None] / 16, (EDGE,) * 4),
        us.tensor(digits.target),
    )
    x_old, y_old, x_new, y_new = x[y < 5], y[y < 5], PLACE(x[y >= 5]), y[y >= 5] - 5

    first = build("backbone")
    train(first, optim.Adam(first.parameters(), lr=3e-3), x_old, y_old, 8 * steps, PLACE)
    print(f"digits 0 to 4: {accuracy(first, PLACE(x_old), y_old):.1%} read correctly at new places")
    print(load_matching(build("features"), first.state_dict(), {"backbone": "features"}, only="features"))

    accuracies: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        us.manual_seed(options.seed + seed)
        chosen, others = few(y_new)
        for way in WAYS:
            us.manual_seed(options.seed + seed)
            model = learn(way, first.state_dict(), x_new[chosen], y_new[chosen], steps)
            accuracies[way].append(accuracy(model, x_new[others], y_new[others]))
    results: dict[str, float] = {}
    print(f"digits 5 to 9, {PER_CLASS} each to learn from, {seeds} seeds:")
    for way, shares in accuracies.items():
        mean = us.tensor(shares).mean().item()
        wins = sum(share > scratch for share, scratch in zip(shares, accuracies[WAYS[0]], strict=True))
        print(f"{way:<16} {mean:.1%} ({min(shares):.1%} to {max(shares):.1%})  better than scratch: {wins}")
        results |= {f"{way}: accuracy": mean, f"{way}: wins": wins}
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "transfer_learning.png", accuracies)
    return results


if __name__ == "__main__":
    main()
