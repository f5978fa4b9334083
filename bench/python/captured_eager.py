"""Captured steps against the same steps run eagerly: a captured one should never be slower.

    PYTHONPATH=build/dev/python python bench/python/captured_eager.py --seconds 3

takes less than a minute on an idle machine. Both take turns in one process. Of 4 x 2048 nine tenths of the
time are products, which are the same kernels either way, and a twentieth is the update, bound by memory. On a
machine that others use too, look at the ratio of the minima.
"""

from __future__ import annotations

import captured
import networks

import harness

JOBS = ("4-64-64-2", "784-512-512-10", "4 x 2048", "LeNet", "small ResNet", "GPT")


def fill(suite: harness.Suite) -> None:
    ours, _ = harness.libraries(suite.options.threads)
    for job in networks.JOBS:
        if not job.name.startswith(JOBS):
            continue
        space = captured.training(ours, job)
        other = captured.training(ours, job)
        spaces = {"captured": {**space, "step": ours.compile(space["step"])}, "eager": other}
        suite.contest(job.name, captured.CALL, spaces)


if __name__ == "__main__":
    harness.main("captured_eager", fill)
