"""Public scripts for PyTorch, run unchanged with torch and with unspool: losses step by step, and time.

    python bench/clients/run.py --scripts FOLDER [--only NAME...] [--rounds N] [--json FILE]

The scripts are not part of this repository: ``clients.json`` says where each comes from, at which commit, and
what it is called with. FOLDER holds their repositories, each in the folder that is named there;
`prepare.py` fills it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECONDS = 300  # the longest that one run may take


def run(library: str, client: dict[str, Any], folder: Path, stand_ins: Path) -> dict[str, Any]:
    """Run a client once; give its record."""
    script = folder / client["folder"] / client["script"]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "record.json"
        arguments = [each.format(folder=folder, scratch=scratch) for each in client["arguments"]]
        command = [sys.executable, str(HERE / "record.py"), library, str(out), str(client["steps"])]
        paths = [os.environ.get("PYTHONPATH", ""), str(stand_ins)]
        paths += [str(folder / each) for each in client.get("path", [])]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",  # scripts iterate over sets of words and labels
            **client.get("environment", {}),
        }
        working = folder / client["folder"] / client["cwd"] if "cwd" in client else Path(scratch)
        try:
            done = subprocess.run(
                [*command, str(script), *arguments],
                cwd=working,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return failed(f"took more than {SECONDS} seconds")
        if not out.exists():
            return failed(*done.stderr.strip().splitlines()[-1:] or ["no record was written"])
        record: dict[str, Any] = json.loads(out.read_text())
        record["stderr"] = done.stderr[-3000:]
        return record


def failed(*reason: str) -> dict[str, Any]:
    """Give the record of a run that ended without one."""
    return {"losses": [], "wall": [], "processor": [], "failure": list(reason)}


def difference(ours: list[float], theirs: list[float]) -> float:
    """Give the greatest relative difference of two lists of losses; infinite for other lengths."""
    if len(ours) != len(theirs) or not ours:
        return math.inf
    return max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(ours, theirs, strict=True))


def compare(client: dict[str, Any], folder: Path, stand_ins: Path, rounds: int) -> dict[str, Any]:
    """Run a client alternately with both libraries."""
    best: dict[tuple[str, str], float] = {}
    last: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for library in ("torch", "unspool"):
            record = last[library] = run(library, client, folder, stand_ins)
            if record["failure"]:
                return {**record, "name": client["name"], "failure": f"{library}: {record['failure']}"}
            for clock in ("wall", "processor"):
                step = statistics.median(record[clock][1:] or [math.nan])
                best[library, clock] = min(step, best.get((library, clock), math.inf))
    ours, theirs = last["unspool"]["losses"], last["torch"]["losses"]
    return {
        "name": client["name"],
        "kind": client["kind"],
        "steps": len(ours),
        "difference": difference(ours, theirs),
        # Losses that are differences of large terms come near zero, where the relative figure says little.
        "absolute_difference": max(
            (abs(a - b) for a, b in zip(ours, theirs, strict=False)), default=math.nan
        ),
        "first": [
            i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if abs(a - b) > 1e-4 * abs(b)
        ][:1],
        "torch_ms": 1e3 * best["torch", "wall"],
        "unspool_ms": 1e3 * best["unspool", "wall"],
        "ratio": best["unspool", "wall"] / best["torch", "wall"],
        "processor_ratio": best["unspool", "processor"] / best["torch", "processor"],
        "last_loss": [ours[-1] if ours else None, theirs[-1] if theirs else None],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scripts", type=Path, required=True, help="folder with the scripts' repositories")
    parser.add_argument(
        "--stand-ins", type=Path, default=HERE / "stand_ins", help="folder with packages that scripts import"
    )
    parser.add_argument("--only", nargs="+", help="parts of names")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    clients = json.loads((HERE / "clients.json").read_text())
    results = []
    for client in clients:
        if options.only and not any(part in client["name"] for part in options.only):
            continue
        result = compare(client, options.scripts.resolve(), options.stand_ins, options.rounds)
        results.append(result)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")
        if result.get("failure"):
            print(f"| {client['name']} | {result['failure']} |", flush=True)
            print(result.get("stderr", ""), file=sys.stderr)
            continue
        print(
            f"| {result['name']} | {result['steps']} | {result['difference']:.1e} | {result['torch_ms']:.2f} "
            f"| {result['unspool_ms']:.2f} | {result['ratio']:.2f} | {result['processor_ratio']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
