"""Captured steps against the same steps without the passes that put instructions together.

    PYTHONPATH=build/dev/python python bench/python/passes.py --seconds 4

takes less than a minute on an idle machine. Both contenders take turns in one process; the ratio is of the
step with all passes to the one with those that only shorten it (WITHOUT). On a machine that others use too,
look at the ratio of the minima.
"""

from __future__ import annotations

import captured
import networks

import harness

WITHOUT = ("dead_code", "common_subexpressions", "in_place", "tiles")
JOBS = ("4-64-64-2", "64-256-256-1", "784-512-512-10", "LeNet", "small ResNet", "LSTM", "GPT")


def fill(suite: harness.Suite) -> None:
    ours, _ = harness.libraries(suite.options.threads)
    for job in networks.JOBS:
        if not job.name.startswith(JOBS):
            continue
        spaces = {}
        for name, settings in (("all passes", {}), ("without", {"passes": WITHOUT})):
            space = captured.training(ours, job)
            spaces[name] = {**space, "step": ours.compile(space["step"], **settings)}
        suite.contest(job.name, captured.CALL, spaces)


if __name__ == "__main__":
    harness.main("passes", fill)
