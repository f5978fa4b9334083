"""Run every script of this directory, each in a process of its own, and write RESULTS.md and RESULTS.json."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import goals

import harness

# Title, and what a reader must know to read the table, by suite.
SUITES = {
    "overhead": "Overhead of one operation",
    "steps": "Whole training steps",
    "captured": "Captured steps against the best of their peers",
    "others": "Captured steps of other networks, on one thread and on two",
    "captured_costs": "What captured steps cost besides",
    "kernels": "Large operations",
    "spatial": "Pooling, padding and resizing",
    "picking": "Sorting, scans and picking",
    "augment": "Augmentation of images",
    "normalization": "Normalization layers",
    "attention": "Attention, losses, dropout and embeddings",
    "convolution": "Convolutions",
    "recurrent": "Recurrent layers",
    "accuracy": "Accuracy of functions in float32",
    "unwinding": "Updates while unwinding against two phases",
    "tree_lstm": "A network over trees, and backward",
    "loader": "Loading tensors in memory",
    "threads": "Two threads against one (unspool alone)",
    "footprint": "Footprint",
    "programs": "C++ programs (unspool alone)",
}

PREFACE = """# Results

Written by `bench/python/run_all.py`; do not edit. unspool and torch (eager) take turns in one process, on
one thread unless a table says otherwise. Times are medians; `ratio` is the median over the rounds of
unspool's time divided by torch's in the same round, `ratio of minima` that of the fastest rounds; below 1
unspool is faster. `floor` is the arithmetic over the measured rate of the matrix product plus the memory
traffic over the measured rate of a copy. How to run it, and what each script measures:
[README.md](README.md).
"""


def run(suite: str, arguments: list[str]) -> list[harness.Row]:
    """The rows of one script."""
    print(f"{suite} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        script = Path(__file__).with_name(f"{suite}.py")
        command = [sys.executable, str(script), "--json", str(rows), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [harness.Row(**row) for row in json.loads(rows.read_text())]


def results(environment: dict[str, str], rows: list[harness.Row]) -> str:
    """All of RESULTS.md."""
    parts = [PREFACE, "| | |\n|---|---|\n" + "\n".join(f"| {k} | {v} |" for k, v in environment.items())]
    parts.append("\n## Goals\n\n" + goals.table(rows))
    for suite, title in SUITES.items():
        own = [row for row in rows if row.suite == suite]
        if own:
            parts.append(f"\n## {title}\n\n" + harness.markdown_table(own))
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean nothing")
    parser.add_argument("--seconds", type=float, help="to spend on each row")
    parser.add_argument("--pin", type=int, metavar="CPU", help="keep single-threaded suites on one processor")
    parser.add_argument("--wheel", type=Path, help="whose size to report")
    parser.add_argument("--programs", type=Path, help="folder of the C++ benchmarks, if they are to run")
    parser.add_argument("--only", nargs="+", choices=SUITES, default=list(SUITES), help="some suites")
    parser.add_argument(
        "--render", action="store_true", help="write RESULTS.md anew from RESULTS.json; nothing is measured"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1], help="folder to write to")
    options = parser.parse_args()

    if options.render:
        record = json.loads((options.out / "RESULTS.json").read_text())
        rows = [harness.Row(**row) for row in record["rows"]]
        (options.out / "RESULTS.md").write_text(results(record["environment"], rows))
        return
    common = ["--quick"] if options.quick else []
    common += ["--seconds", str(options.seconds)] if options.seconds else []
    environment = harness.environment()
    rows = []
    for suite in options.only:
        arguments = list(common)
        if suite == "programs":
            if not options.programs:
                continue
            arguments += ["--programs", str(options.programs)]
        if options.pin is not None and suite != "threads":
            arguments += ["--pin", str(options.pin)]
        if options.wheel and suite == "footprint":
            arguments += ["--wheel", str(options.wheel)]
        rows += run(suite, arguments)
    pinned = "pinned to one processor" if options.pin is not None else "not pinned"
    environment["processes"] = f"{pinned}, {len(rows)} rows, one process for each table"
    (options.out / "RESULTS.md").write_text(results(environment, rows))
    record = {"environment": environment, "rows": [dataclasses.asdict(row) for row in rows]}
    (options.out / "RESULTS.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
