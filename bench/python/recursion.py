"""Recursion against loop: time and memory per layer over depth and width of a network, and depth limits.

A step is forward, loss, backward and SGD update of a tanh network; each figure comes from a process of
its own. Besides, the networks of the founding texts: banknotes, 5,000 steps over all of them. Takes about
eight minutes; ``--quick`` a few seconds. ``--write-docs`` puts tables and plots into
docs/recursion-vs-loop.md:

    PYTHONPATH=build/release/python python bench/python/recursion.py --write-docs
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

import harness

RATE = 1e-3
NOTES = ((4, 1), (4, 4, 1))
PAGE = harness.REPOSITORY / "docs" / "recursion-vs-loop.md"
NOTES_TEXT = (
    "Seconds for {:,} steps over all 1,372 banknotes (drawn as in `examples/recursion.py`; 4 features, rate "
    "0.0075), first steps and captures included; losses at the end {}:"
)
DUEL = (
    "500 layers of width 32, batch 32, SGD: C++ recursion {:.2f} ms a step, captured step {:.2f} ms, "
    "ratio {:.2f}."
)
GROWTH = (
    "Bytes per layer that the process grows by in its first step, beyond the weights (the first step also "
    "records: the chain of `recursive_step`, the program of the captured step):"
)
LIMITS = (
    "With Python's own limit of {:,} calls, the recursion in NumPy reaches {:,} layers; here the limit was "
    "raised. The others need no setting. The captured step was measured up to {:,} layers."
)
RECORDING = ("C++ recursion", "captured step")  # in their first step
PATIENCE = 5.0  # seconds: a step that takes longer is not run again after the first
# How deep each may go in a run of minutes. A captured step is planned as a whole, which takes its time.
DEEPEST = {"captured step": 10_000}


def layers_of(depth: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((min(depth, 1000), width, width), dtype=np.float32) / np.float32(width**0.5)
    return [(weights[i % len(weights)].copy(), np.zeros(width, np.float32)) for i in range(depth)]


def library_step(
    library: Any, layers: Any, x: np.ndarray, y: np.ndarray, wrap: str, rate: float
) -> Callable[[], Any]:
    """The step in unspool or torch: ``wrap`` says how the tape is handled."""
    from importlib import import_module

    functional = import_module(f"{library.__name__}.nn.functional")
    module = import_module(f"{library.__name__}.nn")
    pairs = [tuple(library.tensor(part, requires_grad=True) for part in layer) for layer in layers]
    parameters = [part for pair in pairs for part in pair]
    data, target = library.tensor(x), library.tensor(y)
    loss_fn = functional.binary_cross_entropy_with_logits
    optimizer = library.optim.SGD(parameters, lr=rate)

    class Stack(module.Module):  # type: ignore[name-defined, misc]
        def forward(self, value: Any) -> Any:
            for weight, bias in pairs[:-1]:
                value = library.tanh(functional.linear(value, weight, bias))
            return functional.linear(value, *pairs[-1])

    model = Stack()
    if wrap == "C++":
        step = library.recursive_step(model, loss_fn, optimizer)
        return lambda: step(data, target)

    def whole(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward(**({"engine": "recursive"} if wrap == "recursive" else {}))
        optimizer.step()
        return loss

    captured = library.compile(whole) if wrap == "captured" else whole
    return lambda: captured(data, target)


def square(depth: int, width: int, batch: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """Layers of one width, and what they are trained on."""
    x, y = np.full((batch, width), 0.1, np.float32), np.zeros((batch, width), np.float32)
    return layers_of(depth, width), x, y


def step_of(way: str, layers: Any, x: np.ndarray, y: np.ndarray, rate: float = RATE) -> Callable[[], Any]:
    """A step of that network, run in that way; its NumPy forms have the example's own rate."""
    import unspool as us
    from unspool.demo import load

    us.set_num_threads(1)
    example: Any = load("recursion")
    if way == "NumPy, loop":
        loop = example.Loop(layers, y)
        return lambda: loop.step(x)
    if way == "NumPy, recursion":
        recursion = example.Recursion(np, layers, y)
        return lambda: recursion.step(x)
    if way == "unspool operations, recursion":
        network = example.Recursion(us, example.tensors(layers), us.tensor(y))
        data = us.tensor(x)
        return lambda: network.step(data)
    if way == "torch, tape":
        import torch

        torch.set_num_threads(1)
        return library_step(torch, layers, x, y, "loop", rate)
    wraps = {"C++ recursion": "C++", "tape, loop": "loop", "tape, recursive engine": "recursive"}
    return library_step(us, layers, x, y, wraps.get(way, "captured"), rate)


WAYS = (
    "NumPy, loop",
    "NumPy, recursion",
    "unspool operations, recursion",
    "C++ recursion",
    "tape, loop",
    "tape, recursive engine",
    "captured step",
    "torch, tape",
)


def measure(way: str, depth: int, width: int, batch: int, seconds: float) -> tuple[float, float]:
    """Seconds per layer of a step, and bytes per layer that the process grows by in its first step."""
    sys.setrecursionlimit(max(1000, depth + 1000))
    step = step_of(way, *square(depth, width, batch))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    times = [first] if first > PATIENCE and way not in RECORDING else []
    end = time.perf_counter() + seconds
    while not times or (first < PATIENCE and time.perf_counter() < end and len(times) < 50):
        rounds = max(1, 1000 // depth)
        start = time.perf_counter()
        for _ in range(rounds):
            step()
        times.append((time.perf_counter() - start) / rounds)
    return min(times) / depth, grown / depth


def python_limit() -> int:
    """How many layers NumPy's recursion manages with Python's own limit."""
    works, fails = 1, 4000
    while fails - works > 1:
        middle = (works + fails) // 2
        try:
            step_of("NumPy, recursion", *square(middle, 2, 1))()
            works = middle
        except RecursionError:
            fails = middle
    return works


def frames() -> dict[str, float]:
    """Bytes of a frame of the C++ recursion and of the tape's nodes for the same layer."""
    import unspool as us
    import unspool.nn.functional as F

    model = us.nn.Sequential(*(each for _ in range(20_000) for each in (us.nn.Linear(4, 4), us.nn.Tanh())))
    step = us.recursive_step(model, F.mse_loss, us.optim.SGD(model.parameters(), lr=0.0))
    step(us.ones(4, 4), us.ones(4, 4))
    use = step.stack_use()
    linear = model[0](us.ones(4, 4))
    return {
        "frame on the machine stack": use.frame_bytes,
        "frame on the heap": use.heap_frame_bytes,
        "tape node of linear": linear.grad_fn.node_bytes,
        "tape node of tanh": linear.tanh().grad_fn.node_bytes,
    }


def duel(seconds: float) -> dict[str, float]:
    """Seconds of a step of 500 layers of width 32, batch 32, the shortest of runs that alternate."""
    ways = ("C++ recursion", "captured step")
    steps = {way: step_of(way, *square(500, 32, 32)) for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for step in steps.values():
        step()
    end = time.perf_counter() + seconds
    while not times[ways[0]] or time.perf_counter() < end:
        for way, step in steps.items():
            start = time.perf_counter()
            step()
            times[way].append(time.perf_counter() - start)
    return {way: min(taken) for way, taken in times.items()}


def banknotes(way: str, sizes: tuple[int, ...], count: int) -> tuple[float, float]:
    """Seconds that ``count`` steps over all notes take, and the loss of the last."""
    from unspool.demo import load

    example: Any = load("recursion")
    x, y = (part.astype(np.float32) for part in example.notes())
    layers = [tuple(part.astype(np.float32) for part in layer) for layer in example.initial_layers(sizes)]
    step = step_of(way, layers, x, y, example.RATE)
    start = time.perf_counter()
    for _ in range(count):
        loss = step()
    return time.perf_counter() - start, float(loss.item() if hasattr(loss, "item") else loss)


@dataclass
class Figures:
    """What was measured: by way, then by depth, width or sizes of the layers."""

    by_depth: dict[str, dict[int, tuple[float, float]]]
    by_width: dict[str, dict[int, float]]
    frames: dict[str, float]
    limit: int
    duel: dict[str, float]
    banknotes: dict[str, dict[tuple[int, ...], tuple[float, float]]]
    banknote_steps: int


def collect(options: argparse.Namespace) -> Figures:
    depths = [1, 10, 100, 1000] if options.quick else [10**k for k in range(7)]
    widths = [4, 32] if options.quick else [4, 32, 128, 512]
    seconds = 0.02 if options.quick else 0.3
    context = multiprocessing.get_context("spawn")
    by_depth, by_width, by_sizes = ({way: {} for way in WAYS} for _ in range(3))
    figures = Figures(by_depth, by_width, {}, 0, {}, by_sizes, 50 if options.quick else 5000)
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as fresh:
        figures.frames = fresh.submit(frames).result()
        figures.limit = fresh.submit(python_limit).result()
        figures.duel = fresh.submit(duel, 10 * seconds).result()
        for sizes in NOTES:
            for way in WAYS:
                found = fresh.submit(banknotes, way, sizes, figures.banknote_steps).result()
                figures.banknotes[way][sizes] = found
                print(f"{way}, {sizes}: {found[0]:.2f} s, loss {found[1]:.6f}", file=sys.stderr)
        for depth in depths:
            for way in WAYS:
                if depth <= DEEPEST.get(way, depth):
                    found = fresh.submit(measure, way, depth, 4, 4, seconds).result()
                    figures.by_depth[way][depth] = found
                    print(
                        f"{way}, depth {depth}: {1e6 * found[0]:.2f} µs, {found[1]:.0f} bytes",
                        file=sys.stderr,
                    )
        for width in widths:
            for way in WAYS:
                figures.by_width[way][width] = fresh.submit(measure, way, 100, width, 32, seconds).result()[0]
                print(f"{way}, width {width}: {1e6 * figures.by_width[way][width]:.2f} µs", file=sys.stderr)
    return figures


def table(head: list[str], rows: dict[str, list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join([name, *cells]) + " |" for name, cells in rows.items()])


def tables(figures: Figures) -> str:
    depths = sorted({depth for row in figures.by_depth.values() for depth in row})
    widths = sorted({width for row in figures.by_width.values() for width in row})
    deep = [depth for depth in depths if depth >= 1000]

    def cells(row: dict[int, Any], at: list[int], text: Callable[[Any], str]) -> list[str]:
        return [text(row[place]) if place in row else "" for place in at]

    times = {way: cells(row, depths, lambda f: f"{1e6 * f[0]:.2f}") for way, row in figures.by_depth.items()}
    space = {way: cells(row, deep, lambda f: f"{f[1]:,.0f}") for way, row in figures.by_depth.items()}
    wide = {way: cells(row, widths, lambda s: f"{1e6 * s:.2f}") for way, row in figures.by_width.items()}
    notes = {way: [f"{row[sizes][0]:.2f}" for sizes in NOTES] for way, row in figures.banknotes.items()}
    losses = {sizes: [row[sizes][1] for row in figures.banknotes.values()] for sizes in NOTES}
    ends = " and ".join(f"{np.mean(each):.4f} (all within {np.ptp(each):.0e})" for each in losses.values())
    own = ", ".join(f"{name} {size:.0f}" for name, size in figures.frames.items())
    recursive, captured = figures.duel.values()
    known = harness.environment()
    return "\n\n".join(
        [
            "µs per layer and step by depth; width 4, batch 4, float32, one thread:",
            table(["layers", *(f"{depth:,}" for depth in depths)], times),
            "µs per layer and step by width; 100 layers, batch 32:",
            table(["width", *map(str, widths)], wide),
            NOTES_TEXT.format(figures.banknote_steps, ends),
            table(["layers", *("-".join(map(str, sizes)) for sizes in NOTES)], notes),
            DUEL.format(1e3 * recursive, 1e3 * captured, recursive / captured),
            GROWTH,
            table(["layers", *(f"{depth:,}" for depth in deep)], space),
            f"Bytes: {own}. What they hold on to, such as activations, comes on top.",
            LIMITS.format(sys.getrecursionlimit(), figures.limit, DEEPEST["captured step"]),
            "; ".join(known[each] for each in ("machine", "system", "torch", "date", "commit")) + ".",
        ]
    )


def plot(figures: Figures) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for way in WAYS:
        row = figures.by_depth[way]
        left.plot(list(row), [1e6 * found[0] for found in row.values()], marker="o", markersize=3, label=way)
        deep = {depth: found[1] for depth, found in row.items() if depth >= 1000 and found[1] > 0}
        right.plot(list(deep), list(deep.values()), marker="o", markersize=3)
    left.set(xscale="log", yscale="log", xlabel="layers", ylabel="µs per layer and step")
    right.set(xscale="log", yscale="log", xlabel="layers", ylabel="bytes per layer, first step")
    left.legend(frameon=False, fontsize=8)
    figure.savefig(PAGE.with_suffix(".svg"), metadata={"Date": None})


def write_docs(figures: Figures) -> None:
    plot(figures)
    text = PAGE.read_text("utf-8")
    picture = f"![Time and memory per layer over depth]({PAGE.stem}.svg)"
    block = f"<!-- measured -->\n{picture}\n\n{tables(figures)}\n<!-- end -->"
    PAGE.write_text(
        re.sub(r"<!-- measured -->.*?<!-- end -->", lambda _: block, text, flags=re.DOTALL), "utf-8"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean nothing")
    parser.add_argument("--write-docs", action="store_true", help="put them into docs/recursion-vs-loop.md")
    chosen = parser.parse_args()
    measured = collect(chosen)
    print(tables(measured))
    if chosen.write_docs:
        write_docs(measured)
