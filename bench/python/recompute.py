"""Recomputation under budgets: whether they are kept, and what they cost.

Ten models, eager (``memory_budget``) and captured (``compile(step, memory_budget=...)``), at many budgets:
violations, peaks, what ran again, bits; and a thousand layers under ``checkpoint_sequential``. Times are
minima over alternating runs; take them on an idle machine. Under a minute as it is; the published run, with
docs/recompute-measured.md and its plots, takes some:

    python bench/python/recompute.py
    python bench/python/recompute.py --budgets 100 --write-docs
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import harness
import unspool as us
from unspool import Tensor, _core, nn
from unspool._compile import work
from unspool._recompute.budget import allocated, peak
from unspool._recompute.chain import _chain_of

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from budget_models import MODELS, made  # noqa: E402

BACK = "Step back: how much less runs again at most although the budget is smaller, {}."


class Point(NamedTuple):
    """One budget: bytes above those that are always there, what was reached, and calls that ran again."""

    budget: int
    peak: int
    again: int
    work: float  # what ran again: calls, or, captured, its estimated time over that of the step


class Curve(NamedTuple):
    """All budgets of a model that could be met."""

    full: int
    points: list[Point]
    violations: int
    same_bits: bool


def _bits(model: nn.Module) -> list[Any]:
    return [p.grad.numpy().copy() for p in model.parameters() if p.grad is not None]


def eager(name: str, count: int) -> Curve:
    """A forward and a backward pass at ``count`` budgets, from all that it takes downwards."""
    model, x = made(name)

    def run() -> tuple[int, list[Any]]:
        model.zero_grad()
        us.manual_seed(5)
        base = allocated()
        us.reset_peak_memory_stats()
        model(x).pow(2).mean().backward()
        return peak() - base, _bits(model)

    full, plain = run()
    points: list[Point] = []
    violations, same = 0, True
    for i in range(count):
        model.zero_grad()
        budget = round(full * (1 - i / count))
        before = _core._replayed_calls()
        try:
            with us.memory_budget(allocated() + budget):
                reached, bits = run()
        except MemoryError:
            break
        violations += reached > budget
        same = same and all(np.array_equal(a, b) for a, b in zip(plain, bits, strict=True))
        again = _core._replayed_calls() - before
        points.append(Point(budget, reached, again, again))
    return Curve(full, points, violations, same)


def seconds(instruction: dict[str, Any]) -> float:
    """By the rough measure of those who plan: a launch, memory at 10 GB/s, products at 50 Gflop/s."""
    return 2e-7 + work.traffic(instruction) / 1e10 + work.product_flops(instruction) / 5e10


def captured(name: str, count: int) -> Curve:
    """Replayed training steps at ``count`` budgets; what runs again in instructions and estimated time."""

    def trained(budget: int | None) -> tuple[Any, int, int, list[Any]]:
        gc.collect()  # an earlier step may be held by a cycle
        model, x = made(name)
        optimizer = us.optim.SGD(model.parameters(), lr=0.01)
        us.manual_seed(3)

        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss: Tensor = model(x).pow(2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        compiled = us.compile(step, memory_budget=budget)
        compiled(x)
        program = compiled._describe()
        us.reset_peak_memory_stats()
        compiled(x)
        arena = program["arena_bytes"] + program["scratch_bytes"]
        parameters = [p.detach().numpy().copy() for p in model.parameters()]
        return compiled, arena, peak(), [program["instructions"], parameters]

    compiled, full, reached, (instructions, plain) = trained(None)
    least = sum(map(seconds, instructions))
    outside = reached - full
    del compiled
    points: list[Point] = []
    violations, same = 0, True
    for i in range(count):
        budget = outside + 8192 + round(full * (1 - i / count))
        try:
            compiled, arena, reached, (executed, bits) = trained(budget)
        except ValueError:
            break
        violations += reached > budget
        same = same and all(np.array_equal(a, b) for a, b in zip(plain, bits, strict=True))
        again = len(executed) - len(instructions)
        points.append(Point(budget - outside, arena, again, sum(map(seconds, executed)) / least - 1))
        del compiled
    return Curve(full, points, violations, same)


def falls(curve: Curve) -> bool:
    """Whether a smaller budget never has a larger peak."""
    peaks = [point.peak for point in curve.points]
    return peaks == sorted(peaks, reverse=True)


def step_back(curve: Curve) -> float:
    """By how much less runs again at most although the budget is smaller; 0 when it only grows."""
    most = worst = 0.0
    for point in curve.points:
        most = max(most, point.work)
        worst = max(worst, most - point.work)
    return worst


def thousand_layers(part: float, repeats: int) -> tuple[float, float, float]:
    """Seconds of a step of 1,000 layers without a budget and with part of its activations, and the part."""
    us.manual_seed(0)
    width, batch = 64, 256
    model = nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(1000)))
    x = us.randn(batch, width)
    chain = _chain_of(model, x)
    least_time: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Tensor]) -> int:
        model.zero_grad()
        us.reset_peak_memory_stats()
        base = allocated()
        start = time.perf_counter()
        call().sum().backward()
        taken = time.perf_counter() - start
        least_time[name] = min(taken, least_time.get(name, taken))
        return peak() - base

    gradients = sum(p.nbytes + 64 for p in model.parameters())
    full = timed("plain", lambda: model(x)) - gradients
    room = round(full * part)
    reached = 0
    for _ in range(repeats):
        timed("plain", lambda: model(x))
        model.zero_grad()
        budget = allocated() + gradients + chain.outside + room
        reached = timed("budget", lambda: us.checkpoint_sequential(model, x, budget))  # noqa: B023
        assert reached <= gradients + chain.outside + room
    return least_time["plain"], least_time["budget"], (reached - gradients) / full


def report(count: int, repeats: int) -> tuple[list[str], dict[str, dict[str, Curve]]]:
    """The tables as lines of Markdown, and the curves."""
    lines = []
    curves: dict[str, dict[str, Curve]] = {}
    for title, measure in (("Eager", eager), ("Captured", captured)):
        again = "calls again" if measure is eager else "instructions again"
        unit = "calls" if measure is eager else "of the estimated time of the step"
        lines += [
            "",
            f"**{title}**, {count} budgets from all that the step takes down to nothing. {BACK.format(unit)}",
            "",
            f"| model | met | violations | equal bits | least peak | {again} | peak falls | step back |",
            "|---|---|---|---|---|---|---|---|",
        ]
        curves[title] = {}
        for name in MODELS:
            curve = curves[title][name] = measure(name, count)
            last = curve.points[-1] if curve.points else Point(0, curve.full, 0)
            lines.append(
                f"| {name} | {len(curve.points)} | {curve.violations} | {'yes' if curve.same_bits else 'NO'} "
                f"| {min((p.peak for p in curve.points), default=last.peak) / curve.full:.0%} "
                f"| {max((p.again for p in curve.points), default=0):.0f} "
                f"| {'yes' if falls(curve) else 'no'} "
                f"| {format(step_back(curve), '.0f' if measure is eager else '.1%')} |"
            )
    of_what = f"(Linear 64, tanh; batch 256) by `checkpoint_sequential`, fastest of {repeats}"
    lines += ["", f"**A thousand layers** {of_what}:", ""]
    lines += ["| activations allowed | used | time without | time with | ratio |", "|---|---|---|---|---|"]
    for part in (0.5, 0.25, 0.1, 0.05):
        plain, limited, used = thousand_layers(part, repeats)
        lines.append(
            f"| {part:.0%} | {used:.1%} | {plain * 1e3:.1f} ms | {limited * 1e3:.1f} ms "
            f"| {limited / plain:.2f} |"
        )
    return lines, curves


def draw(curves: dict[str, dict[str, Curve]], folder: Path) -> list[str]:
    """Peaks over budgets, one plot for each way; returns the file names."""
    from matplotlib import pyplot as plt

    files = []
    for title, models in curves.items():
        figure, axes = plt.subplots(figsize=(7, 5))
        for name, curve in models.items():
            xs = [point.budget / curve.full for point in curve.points]
            axes.plot(xs, [point.peak / curve.full for point in curve.points], label=name)
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.5, linestyle="--")
        axes.set_xlabel("budget, of what the step takes without one")
        axes.set_ylabel("measured peak")
        axes.set_title(f"{title}: peak under a budget")
        axes.legend(fontsize=8)
        files.append(f"recompute-{title.lower()}.svg")
        figure.savefig(folder / files[-1], bbox_inches="tight")
        plt.close(figure)
    return files


def main() -> None:
    """Measures and prints; writes the docs where that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budgets", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    us.set_num_threads(1)
    lines, curves = report(options.budgets, options.repeats)
    print("\n".join(lines))
    if options.write_docs:
        files = draw(curves, ROOT / "docs")
        known = harness.environment()
        head = [
            "# Budgets, measured",
            "",
            "Written by `bench/python/recompute.py --write-docs`, one thread;",
            f"{known['machine']}; {known['date']}; {known['commit']}.",
        ]
        plots = [line for file in files for line in ("", f"![{file}]({file})")]
        (ROOT / "docs" / "recompute-measured.md").write_text("\n".join([*head, *lines, *plots, ""]))


if __name__ == "__main__":
    main()
