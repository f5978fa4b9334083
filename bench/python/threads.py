"""unspool with two threads against unspool with one: more threads may never be slower."""

from __future__ import annotations

import os
import sys
from typing import Any

import harness

STEP = "optimizer.zero_grad(); criterion(model(x), y).backward(); optimizer.step()"
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
BATCH = 64


def names(width: int, threads: int) -> dict[str, Any]:
    """One step of three square layers. ``prepare`` sets the number of threads before each batch of steps."""
    import unspool
    from unspool import nn, optim

    unspool.manual_seed(0)
    hidden = [nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()]
    model = nn.Sequential(*hidden, nn.Linear(width, width))
    return {
        "prepare": lambda: unspool.set_num_threads(threads),
        "model": model,
        "optimizer": optim.SGD(model.parameters(), lr=0.01, momentum=0.9),
        "criterion": nn.MSELoss(),
        "x": unspool.randn(BATCH, width),
        "y": unspool.randn(BATCH, width),
    }


def fill(suite: harness.Suite) -> None:
    threads = suite.options.threads if suite.options.threads > 1 else 2
    if len(os.sched_getaffinity(0)) < threads:
        print(f"{threads} threads need as many processors: nothing measured", file=sys.stderr)
        return
    for width in WIDTHS:
        pair = names(width, threads), names(width, 1)
        contenders = f"{threads} threads", "1 thread"
        suite.duel(f"MLP of width {width}", STEP, *pair, contenders=contenders, threads=threads)


if __name__ == "__main__":
    harness.main("threads", fill)
