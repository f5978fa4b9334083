"""unspool with two threads against unspool with one: more threads may never be slower.

Once on a machine that does nothing else, and once with another process spinning on one of the processors.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import harness

EAGER = "optimizer.zero_grad(); criterion(model(x), y).backward(); optimizer.step()"
CAPTURED = "step(x, y)"
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
BATCH = 64


def names(width: int, threads: int) -> dict[str, Any]:
    """Steps of three square layers. ``prepare`` sets the number of threads before each batch of steps."""
    import unspool
    from unspool import nn, optim

    unspool.manual_seed(0)
    unspool.set_num_threads(threads)
    hidden = [nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()]
    model = nn.Sequential(*hidden, nn.Linear(width, width))
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.MSELoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return {
        "prepare": lambda: unspool.set_num_threads(threads),
        "model": model,
        "optimizer": optimizer,
        "criterion": criterion,
        "step": unspool.compile(step),
        "x": unspool.randn(BATCH, width),
        "y": unspool.randn(BATCH, width),
    }


@contextlib.contextmanager
def held(processor: int) -> Iterator[None]:
    """Another process spins on ``processor`` meanwhile."""
    spin = f"import os\nos.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"
    other = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def fill(suite: harness.Suite) -> None:
    threads = suite.options.threads if suite.options.threads > 1 else 2
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < threads:
        print(f"{threads} threads need as many processors: nothing measured", file=sys.stderr)
        return
    contenders = f"{threads} threads", "1 thread"

    def rows(kind: str, code: str, where: str = "") -> None:
        for width in WIDTHS:
            pair = names(width, threads), names(width, 1)
            name = f"{kind} of width {width}{where}"
            suite.duel(name, code, *pair, contenders=contenders, threads=threads)

    rows("MLP", EAGER)
    rows("captured MLP", CAPTURED)
    with held(processors[-1]):
        rows("MLP", EAGER, ", a processor held")
        rows("captured MLP", CAPTURED, ", a processor held")


if __name__ == "__main__":
    harness.main("threads", fill)
