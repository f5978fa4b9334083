"""The C++ benchmarks: kernels, tape and allocator without Python, some rows of each program.

Needs them built (bench/README.md), and their folder:

    python bench/python/programs.py --programs build/release/bench/cpp

Each figure is the median of five runs. Kernels of single operations stand in ``kernels.py``, beside torch.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import harness

# What is run of each program, as a regular expression.
PROGRAMS = {
    "gemm_bench": "^gemm<float>/m:(32|64|128|512|1024)/",
    "elementwise_bench": "^(add|mul|exp|tanh|sigmoid|gelu_erf)/",
    "reduction_bench": "^reduce/(sum|amax|softmax)/n:1000/",
    "tape_bench": ".",
    "allocator_bench": ".",
}


def measured(program: Path, rows: str, options: harness.Options) -> list[dict[str, Any]]:
    """The medians that a program prints for the rows that match."""
    command = [
        str(program),
        "--benchmark_format=json",
        f"--benchmark_filter={rows}",
        f"--benchmark_min_time={min(options.seconds / 10, 0.1)}",
        f"--benchmark_repetitions={1 if options.quick else 5}",
    ]
    variables = {**os.environ, "UNSPOOL_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    found: list[dict[str, Any]] = json.loads(done.stdout)["benchmarks"]
    return [row for row in found if options.quick or row.get("aggregate_name") == "median"]


def fill(suite: harness.Suite) -> None:
    folder: Path | None = suite.options.rest.programs
    if folder is None:
        raise SystemExit("programs.py: say where the C++ benchmarks are: --programs build/release/bench/cpp")
    scales = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    for program, rows in PROGRAMS.items():
        for row in measured(folder / program, rows, suite.options):
            seconds = row.get("s/node", row["real_time"] * scales[row["time_unit"]])
            note = row.get("label", "")
            if "FLOP/s" in row:
                note = f"{note}, {row['FLOP/s'] / 1e9:.0f} GFLOP/s"
            name = row["run_name"].removesuffix("/manual_time")
            suite.value(f"{program}: {name}", seconds, "s", note=note)


if __name__ == "__main__":
    harness.main("programs", fill, programs={"type": Path, "help": "folder of the C++ benchmarks"})
