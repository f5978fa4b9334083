"""Captured steps of networks outside of the table of goals, on one thread and on two, against torch.

The peer is the better of torch eager and torch with its fused optimizers.
"""

from __future__ import annotations

import captured
import other_networks

import harness


def fill(suite: harness.Suite) -> None:
    for threads in (1, 2):
        ours, torch = harness.libraries(threads)
        for job in other_networks.JOBS:
            spaces = {
                "unspool": captured.compiled(ours, job),
                "torch eager": captured.training(torch, job),
                "torch fused": captured.training(torch, job, fused=True),
            }
            captured.require_same_learning(spaces, job)
            name = job.name if threads == 1 else f"{job.name}; 2 threads"
            suite.contest(name, captured.CALL, spaces, threads=threads)


if __name__ == "__main__":
    harness.main("others", fill)
