"""Backpropagation by recursion: a network as one function whose returns compute the gradients.

A call runs layer l, calls itself for layer l + 1, and on return turns the cotangent of its result into
those of its input and weights. The deepest call returns the loss's cotangent. So the call stack holds
what is elsewhere kept in a cache or on a tape. Here the same function runs on NumPy arrays and on unspool
tensors, and ``unspool.recursive_step`` is the same idea in C++; all of them are compared with the loop,
step by step.

The data are like those of banknote authentication (UCI; Lohweg 2013): 1,372 notes, 4 features, genuine or
not. They are drawn from two Gaussians with the means and covariances of that table; ``--data`` reads the
table itself, a CSV file with a header and the label in the last column.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import at_least_one

RATE = 0.0075

Layers = list[tuple[Any, Any]]  # (weight (out, in), bias (out,)): arrays or tensors

# Means and covariances of the two classes of the banknote table, genuine notes first.
MEANS = np.array([[2.28, 4.26, 0.80, -1.15], [-1.87, -0.99, 2.15, -1.25]])
SPREADS = np.array(
    [
        [
            [4.08, -2.35, -2.16, 1.79],
            [-2.35, 26.41, -12.5, -7.36],
            [-2.16, -12.5, 10.5, 2.85],
            [1.79, -7.36, 2.85, 4.52],
        ],
        [
            [3.54, 0.75, -4.69, 1.26],
            [0.75, 29.21, -25.24, -5.7],
            [-4.69, -25.24, 27.69, 3.01],
            [1.26, -5.7, 3.01, 4.29],
        ],
    ]
)
COUNTS = (762, 610)


def notes(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw a table like that of the banknotes: features (1372, 4) and labels (1372, 1), in random order."""
    rng = np.random.default_rng(seed)
    classes = zip(MEANS, SPREADS, COUNTS, strict=True)
    features = np.concatenate([rng.multivariate_normal(*each[:2], size=each[2]) for each in classes])
    labels = np.repeat([0.0, 1.0], COUNTS)[:, None]
    order = rng.permutation(len(labels))
    return features[order], labels[order]


def read_notes(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read such a table: the last column is the label."""
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1:]


def initial_layers(sizes: Sequence[int], seed: int = 1) -> Layers:
    """Draw the weights of a network with these layer sizes, in double precision; the biases are zero."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, m)) / np.sqrt(m), np.zeros(n)) for m, n in pairwise(sizes)]


# ---- the recursive function ----


@dataclass
class Recursion:
    """Forward, loss, backward and update of a network by one recursive function.

    Attributes:
        xp: what computes: ``numpy`` or ``unspool``, whose functions have the same names.
        layers: the weights and biases, changed in place.
        targets: (samples, 1), 0 or 1.
        update: "after" the recursion, "unwinding" (each layer as its call returns), or "trap": each layer as
            its call returns, but before the cotangent of its input is formed from the same weights.
    """

    xp: Any
    layers: Layers
    targets: Any
    update: str = "unwinding"

    def step(self, x: Any) -> float:
        """Update the layers once; give the loss from before."""
        self.changes: list[tuple[int, Any, Any]] = []
        try:
            loss, _ = self.descend(0, x)
        except RecursionError:
            raise RecursionError(
                f"{len(self.layers)} layers need as many calls, and Python allows {sys.getrecursionlimit()}; "
                "raise the limit with sys.setrecursionlimit, or use unspool.recursive_step, which needs none"
            ) from None
        for change in self.changes:
            self.apply(*change)
        return float(loss)

    def descend(self, l: int, a: Any) -> tuple[Any, Any]:  # noqa: E741
        """Run the layers from l on; give the loss and the cotangent of ``a``."""
        if l == len(self.layers):
            return self.loss(a)
        w, b = self.layers[l]
        is_last = l + 1 == len(self.layers)
        z = a @ w.T + b
        out = z if is_last else self.xp.tanh(z)
        loss, g = self.descend(l + 1, out)
        if not is_last:
            g = g * (1 - out * out)
        dw, db = g.T @ a, g.sum(0)
        if self.update == "trap":
            self.apply(l, dw, db)
        below = g @ w
        if self.update == "unwinding":
            self.apply(l, dw, db)
        elif self.update == "after":
            self.changes.append((l, dw, db))
        return loss, below

    def apply(self, l: int, dw: Any, db: Any) -> None:  # noqa: E741
        """Descend along the gradient of one layer."""
        w, b = self.layers[l]
        w -= RATE * dw
        b -= RATE * db

    def loss(self, z: Any) -> tuple[Any, Any]:
        """Cross-entropy of the scores z, mean over the samples, and its cotangent."""
        losses = self.xp.logaddexp(z, 0 * z) - z * self.targets
        probabilities = 1 / (1 + self.xp.exp(-z))
        return losses.mean(), (probabilities - self.targets) / len(z)


class Loop:
    """The same network with a list of activations and a loop in each direction: the usual way, in NumPy."""

    def __init__(self, layers: Layers, targets: np.ndarray) -> None:
        self.layers = layers
        self.head = Recursion(np, layers, targets)

    def step(self, x: np.ndarray) -> float:
        """Update the layers once; give the loss from before."""
        activations = [x]
        for i, (w, b) in enumerate(self.layers):
            z = activations[-1] @ w.T + b
            activations.append(z if i + 1 == len(self.layers) else np.tanh(z))
        loss, g = self.head.loss(activations[-1])
        for i in reversed(range(len(self.layers))):
            w, b = self.layers[i]
            if i + 1 < len(self.layers):
                g = g * (1 - activations[i + 1] ** 2)
            dw, db = g.T @ activations[i], g.sum(0)
            g = g @ w
            w -= RATE * dw
            b -= RATE * db
        return float(loss)


# ---- the same network in unspool ----


def module_of(layers: Layers) -> nn.Sequential:
    """A Sequential with these weights."""
    model = nn.Sequential()
    for i, (w, b) in enumerate(layers):
        linear = nn.Linear(w.shape[1], w.shape[0], dtype=us.float64)
        with us.no_grad():
            linear.weight.copy_(us.tensor(w))
            linear.bias.copy_(us.tensor(b))  # type: ignore[union-attr]
        model.append(linear)
        if i + 1 < len(layers):
            model.append(nn.Tanh())
    return model


class Cpp:
    """The recursion in C++, over an ``nn.Sequential``."""

    def __init__(self, layers: Layers, targets: np.ndarray, update: str = "unwinding") -> None:
        self.model = module_of(layers)
        optimizer = optim.SGD(self.model.parameters(), lr=RATE)
        loss = F.binary_cross_entropy_with_logits
        self.recursive = us.recursive_step(self.model, loss, optimizer, update=update)  # type: ignore[arg-type]
        self.targets = us.tensor(targets)

    def step(self, x: us.Tensor) -> float:
        """Update the layers once; give the loss from before."""
        return float(self.recursive(x, self.targets).item())


class Tape:
    """The ordinary step: a tape, ``backward`` by either engine, an optimizer; captured when asked for."""

    def __init__(
        self, layers: Layers, targets: np.ndarray, engine: Any = "loop", capture: bool = False
    ) -> None:
        self.model = model = module_of(layers)
        optimizer = optim.SGD(model.parameters(), lr=RATE)
        target = us.tensor(targets)

        def whole(x: us.Tensor) -> us.Tensor:
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(x), target)
            loss.backward(engine=engine)
            optimizer.step()
            return loss

        self.whole = us.compile(whole) if capture else whole

    def step(self, x: us.Tensor) -> float:
        """Update the layers once; give the loss from before."""
        return float(self.whole(x).item())


def tensors(layers: Layers) -> Layers:
    """The layers as tensors."""
    return [(us.tensor(w), us.tensor(b)) for w, b in layers]


WAYS: dict[str, Callable[[Layers, np.ndarray], Any]] = {
    "NumPy, loop": Loop,
    "NumPy, recursion": lambda layers, y: Recursion(np, layers, y),
    "NumPy, recursion, update after": lambda layers, y: Recursion(np, layers, y, "after"),
    "unspool operations, recursion": lambda layers, y: Recursion(us, tensors(layers), us.tensor(y)),
    "C++ recursion": Cpp,
    "C++ recursion, update after": lambda layers, y: Cpp(layers, y, "after"),
    "tape, loop engine": Tape,
    "tape, recursive engine": lambda layers, y: Tape(layers, y, "recursive"),
    "tape, captured step": lambda layers, y: Tape(layers, y, capture=True),
}


def train(way: str, layers: Layers, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    """Train a copy of the network; give the losses, one per step, and the seconds it took."""
    network = WAYS[way](copy.deepcopy(layers), y)
    data = x if way.startswith("NumPy") else us.tensor(x)
    losses = np.empty(steps)
    start = time.perf_counter()
    for i in range(steps):
        losses[i] = network.step(data)
    return losses, time.perf_counter() - start


def accuracy(layers: Layers, x: np.ndarray, y: np.ndarray) -> float:
    """The share of notes that the network tells right."""
    for i, (w, b) in enumerate(layers):
        x = x @ w.T + b
        x = x if i + 1 == len(layers) else np.tanh(x)
    return float(((x > 0) == (y > 0.5)).mean())


def compare(sizes: Sequence[int], x: np.ndarray, y: np.ndarray, steps: int) -> dict[str, float]:
    """Train one network in every way and print how the ways agree and how long they take."""
    name = "-".join(map(str, sizes))
    layers = initial_layers(sizes)
    loop = Loop(copy.deepcopy(layers), y)
    start = time.perf_counter()
    expected = np.array([loop.step(x) for _ in range(steps)])
    base = time.perf_counter() - start
    found = {f"{name} accuracy": accuracy(loop.layers, x, y), f"{name} loss": expected[-1]}
    print(f"{name}, {steps} steps: loss {expected[-1]:.6f}, accuracy {found[f'{name} accuracy']:.2%}")
    for way in list(WAYS)[1:]:
        losses, seconds = train(way, layers, x, y, steps)
        gap = float(np.abs(losses - expected).max())
        found[f"{name} {way}, largest difference"] = gap
        found[f"{name} {way}, time against NumPy"] = seconds / base
        print(
            f"  {way:<32} {1e6 * seconds / steps:7.1f} µs a step, {seconds / base:5.2f} of NumPy's loop; ",
            end="",
        )
        print(f"losses within {gap:.1e} of the loop's")
    return found


def trap(x: np.ndarray, y: np.ndarray, steps: int) -> dict[str, float]:
    """Show what an update that comes one line too early does."""
    found = {}
    for update in ("unwinding", "trap"):
        network = Recursion(np, initial_layers([4, 4, 1]), y, update)
        losses = [network.step(x) for _ in range(steps)]
        found[f"4-4-1 {update}, loss after {steps} steps"] = losses[-1]
    print(f"the trap: W changed in place before Wᵀ·dZ is formed, {steps} steps of 4-4-1")
    for name, value in found.items():
        print(f"  {name.partition(', ')[0]:<20} {value:.6f}")
    return found


# ---- how deep, how fast, how large ----

DEEP = ("NumPy, loop", "NumPy, recursion", "C++ recursion", "tape, loop engine", "tape, captured step")


def measure(way: str, depth: int, width: int = 4, batch: int = 4) -> tuple[float, float]:
    """Seconds per layer of a step, and bytes per layer that the process grew by; run in a new process."""
    sys.setrecursionlimit(max(1000, depth + 1000))
    layers = initial_layers([width] * (depth + 1))
    x, y = np.full((batch, width), 0.1), np.zeros((batch, width))
    network = WAYS[way](layers, y)
    data = x if way.startswith("NumPy") else us.tensor(x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network.step(data)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    rounds = max(1, 2000 // depth)
    times = []
    for _ in range(3 if depth < 100_000 else 1):
        start = time.perf_counter()
        for _ in range(rounds):
            network.step(data)
        times.append((time.perf_counter() - start) / rounds)
    return min(times) / depth, grown / depth


def depths(deepest: int) -> tuple[dict[str, float], dict[str, list[tuple[int, float, float]]]]:
    """Print time and memory per layer over the depth of the network."""
    found: dict[str, float] = {}
    curves: dict[str, list[tuple[int, float, float]]] = {}
    fresh = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1)
    print(
        f"µs and bytes per layer by depth, width 4, batch 4; Python's limit: {sys.getrecursionlimit()} calls"
    )
    with fresh:
        for way in DEEP:
            print(f"  {way:<22}", end="", flush=True)
            depth = 1
            while depth <= deepest:
                seconds, grown = fresh.submit(measure, way, depth).result()
                found[f"{way}, µs per layer at depth {depth}"] = 1e6 * seconds
                found[f"{way}, bytes per layer at depth {depth}"] = grown
                curves.setdefault(way, []).append((depth, seconds, grown))
                memory = f" {grown:5.0f} B" if depth >= 1000 else ""
                print(f"  {depth:>7,}: {1e6 * seconds:5.2f}{memory}", end="", flush=True)
                depth *= 10
            print()
    return found, curves


def draw(path: Path, curves: dict[str, list[tuple[int, float, float]]]) -> None:
    """Plot time and memory per layer over depth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for way, points in curves.items():
        at, seconds, grown = zip(*points, strict=True)
        left.plot(at, [1e6 * s for s in seconds], marker="o", label=way)
        large = [(d, g) for d, g in zip(at, grown, strict=True) if d >= 1000]
        if large:
            right.plot(*zip(*large, strict=True), marker="o", label=way)
    left.set(xscale="log", yscale="log", xlabel="layers", ylabel="µs per layer and step")
    right.set(xscale="log", yscale="log", xlabel="layers", ylabel="bytes per layer, first step")
    left.legend(frameon=False, fontsize=8)
    figure.savefig(path)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train both networks in every way, show the trap, measure depth; give the printed numbers by name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the plot there")
    parser.add_argument("--quick", action="store_true", help="fewer steps and layers: a few seconds")
    parser.add_argument(
        "--data", type=Path, metavar="CSV", help="the table to learn from, instead of a drawn one"
    )
    parser.add_argument("--steps", type=at_least_one, help="of training; default: 5000")
    parser.add_argument("--deepest", type=at_least_one, help="layers of the deepest network; default: 100000")
    options = parser.parse_args(argv)
    steps = options.steps or (100 if options.quick else 5000)
    deepest = options.deepest or (100 if options.quick else 100_000)

    x, y = read_notes(options.data) if options.data else notes()
    found = compare([4, 1], x, y, steps) | compare([4, 4, 1], x, y, steps) | trap(x, y, min(steps, 500))
    measured, curves = depths(deepest)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "recursion.svg", curves)
    return found | measured


if __name__ == "__main__":
    main()
