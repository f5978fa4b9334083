"""More digits from few: what shifting, turning, bending and covering them is worth.

A network learns from ten digits of each kind, as they are or changed anew every time it sees them, while a
thread prepares the next batch. It is judged by all other digits: in their place in the middle of the page,
and anywhere on it, turned, slanted and of different sizes, as in life. The second part shows why transforms
are composed into one warp: an image turned twelve times by 30 degrees is back where it was, and should look
as before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
import unspool.nn.functional as F
from unspool import augment as A
from unspool import nn, optim
from unspool.train import Prefetcher

PER_CLASS, EDGE = 10, 2  # digits of a kind; pixels of paper around them
MOVES = [A.Shift(EDGE), A.Rotate(15), A.Scale(0.85, 1.15), A.Shear(10), A.ElasticDistort(0.3, 4)]
LIFE = A.Compose([A.Shift(EDGE, whole=True), A.Rotate(15), A.Scale(0.85, 1.15), A.Shear(10)])
WAYS: dict[str, A.Compose] = {
    "as they are": A.Compose([]),
    "shifted": A.Compose([A.Shift(EDGE)]),
    "all moves": A.Compose(MOVES),
    "all, noise, holes": A.Compose([*MOVES, A.Noise(0.1), A.Cutout(2, p=0.5)]),
}


def build() -> nn.Module:
    """Give a network for 12 x 12 images."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def learn(augment: A.Compose, x: us.Tensor, y: us.Tensor, steps: int) -> nn.Module:
    """Train on random batches of 50, each changed by a thread before it is needed."""
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    batches = us.randint(0, len(y), (steps, 50))

    def prepare(batch: us.Tensor, generator: us.Generator) -> tuple[us.Tensor, us.Tensor]:
        return augment(x[batch], generator=generator), y[batch]

    for images, labels in Prefetcher(batches, prepare, seeded=True):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


@us.no_grad()
def accuracy(model: nn.Module, x: us.Tensor, y: us.Tensor) -> float:
    """Give the share of digits read correctly."""
    return float((model(x).argmax(1) == y).double().mean())


def few(x: us.Tensor, y: us.Tensor) -> tuple[us.Tensor, us.Tensor, us.Tensor, us.Tensor]:
    """Give ``PER_CLASS`` digits of each kind to learn from, and all others."""
    order = us.randperm(len(y))
    is_chosen = us.zeros(len(y), dtype=us.bool)
    for digit in range(10):
        is_chosen[order[y[order] == digit][:PER_CLASS]] = True
    return x[is_chosen], y[is_chosen], x[~is_chosen], y[~is_chosen]


def turned_around(x: us.Tensor) -> tuple[float, float, float]:
    """Turn images twelve times by 30 degrees: as one warp, and one by one.

    Gives the mean change of the pixels within the circle that never leaves the image, for both, and how many
    times longer one by one takes.
    """
    turns = [A.Rotate((30, 30))] * 12
    places = us.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
    is_inside = places[:, None].square() + places.square() <= (x.shape[-1] / 2) ** 2

    def at_once(images: us.Tensor) -> us.Tensor:
        return A.Compose(turns)(images)

    def one_by_one(images: us.Tensor) -> us.Tensor:
        for turn in turns:
            images = turn(images)
        return images

    changes, seconds = [], []
    for way in (at_once, one_by_one):
        changes.append(float((way(x) - x)[..., is_inside].abs().mean()))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            way(x)
            times.append(time.perf_counter() - start)
        seconds.append(min(times))
    return changes[0], changes[1], seconds[1] / seconds[0]


def draw(path: Path, x: us.Tensor) -> None:
    """Write some digits and what becomes of them as a picture."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels: Any = figure.subplots(6, 10)
    augment = WAYS["all, noise, holes"]
    for row, line in enumerate(panels):
        images = x[:10] if row == 0 else augment(x[:10])
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image[0].numpy(), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
    figure.suptitle("digits (first row), and what the network sees instead of them")
    figure.savefig(path, dpi=90)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Learn in every way with every seed, then turn images around."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="one seed, few steps")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    seeds, steps = (1, 200) if options.quick else (5, 400)
    digits = load_digits()
    x, y = (
        F.pad(us.tensor(digits.images, dtype=us.float32)[:, None] / 16, (EDGE,) * 4),
        us.tensor(digits.target),
    )

    results: dict[str, float] = {}
    print(f"{PER_CLASS} digits of each kind to learn from, {seeds} seeds: accuracy on all others")
    print(f"{'':<18} {'in place':>9} {'anywhere':>9}")
    for name, augment in WAYS.items():
        in_place = anywhere = 0.0
        for seed in range(seeds):
            us.manual_seed(options.seed + seed)
            x_few, y_few, x_rest, y_rest = few(x, y)
            x_life = LIFE(x_rest)
            model = learn(augment, x_few, y_few, steps)
            in_place += accuracy(model, x_rest, y_rest) / seeds
            anywhere += accuracy(model, x_life, y_rest) / seeds
        print(f"{name:<18} {in_place:>9.1%} {anywhere:>9.1%}")
        results |= {f"{name}: in place": in_place, f"{name}: anywhere": anywhere}

    once, often, ratio = turned_around(x)
    print(
        f"turned twelve times by 30 degrees, pixels change by {once:.6f} in one warp, {often:.3f} one by one,"
    )
    print(f"which takes {ratio:.1f} times as long")
    results |= {"change in one warp": once, "change one by one": often, "time one by one / one warp": ratio}
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        us.manual_seed(options.seed)
        draw(options.out / "augmentation.png", x)
    return results


if __name__ == "__main__":
    main()
