"""What capturing costs, and what whole processes take: memory at its peak, time from start to twenty steps.

Each figure of a process is the median of several processes that run one script of a few lines; unspool
compiles its step, torch runs eagerly.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import captured
import networks

import harness

# Prints the peak of resident memory, and by how much that is above what the imported library took.
SCRIPT = """
import importlib, json, re, sys
sys.path.insert(0, {folder!r})
lib = importlib.import_module({library!r})
lib.set_num_threads({threads})
def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
imported = kilobytes("VmRSS")
import captured_process, networks
job = next(job for job in networks.JOBS if job.name == {job!r})
captured_process.train(lib, job, 20)
peak = kilobytes("VmHWM")
print(json.dumps([peak / 1024, (peak - imported) / 1024]))
"""
JOBS = (
    "LeNet, batch 64, Adam",
    "small ResNet, batch 32, momentum",
    "GPT, 4 layers of 128, T=64, batch 8, AdamW",
)
FIGURES = (("peak memory", "MiB"), ("memory beyond imports", "MiB"), ("20 steps from start", "s"))


def process(library: str, job: str, threads: int) -> tuple[float, float, float]:
    """Peak and growth in MiB, and seconds, of one process."""
    code = SCRIPT.format(folder=str(Path(__file__).parent), library=library, job=job, threads=threads)
    start = time.perf_counter()
    # It may keep bytecode, as pip does when it installs.
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=variables
    )
    seconds = time.perf_counter() - start
    peak, growth = json.loads(done.stdout.splitlines()[-1])
    return peak, growth, seconds


def capture_seconds(lib: Any, job: networks.Job, rounds: int) -> float:
    """Median time of the first call, with its eager run."""
    times = []
    for _ in range(rounds):
        space = captured.compiled(lib, job)
        space["step"].__wrapped__(space["x"], space["y"])  # makes the optimizer's state
        start = time.perf_counter()
        space["step"](space["x"], space["y"])
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fill(suite: harness.Suite) -> None:
    ours, _ = harness.libraries(suite.options.threads)
    rounds = 1 if suite.options.quick else 5
    for library in ("unspool", "torch"):  # so that no measured process compiles Python files
        process(library, JOBS[0], suite.options.threads)
    for job in networks.JOBS:
        if job.name.startswith(("4-64-64-2", "GPT")):
            suite.value(f"first call, captured: {job.name}", capture_seconds(ours, job, rounds), "s")
    for name in JOBS:
        figures = {
            library: [process(library, name, suite.options.threads) for _ in range(rounds)]
            for library in ("unspool", "torch")
        }
        for i, (what, unit) in enumerate(FIGURES):
            mine, theirs = (statistics.median(run[i] for run in figures[library]) for library in figures)
            suite.value(f"{what}: {name}", mine, unit, peer=theirs, ratio=mine / theirs)


if __name__ == "__main__":
    harness.main("captured_costs", fill)
