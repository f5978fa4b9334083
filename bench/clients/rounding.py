"""Tells rounding from error: one client with torch twice, with unspool, and with both in double precision.

    python bench/clients/rounding.py --scripts FOLDER NAME...

Some scripts amplify the last bit of a float32 from step to step, so that no two implementations agree long.
Then torch disagrees with itself as much when it leaves oneDNN out, and the two libraries agree in float64.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from run import HERE, difference, run

RUNS = {
    "torch": ("torch", {}),
    "torch, other kernels": ("torch", {"CLIENTS_OTHER_KERNELS": "1"}),
    "unspool": ("unspool", {}),
    "torch, float64": ("torch", {"CLIENTS_DOUBLE": "1"}),
    "unspool, float64": ("unspool", {"CLIENTS_DOUBLE": "1"}),
}


def losses_of(client: dict[str, Any], folder: Path, stand_ins: Path) -> dict[str, list[float]]:
    """Run a client in all ways; give the losses of each."""
    losses = {}
    for name, (library, settings) in RUNS.items():
        environment = {**client.get("environment", {}), **settings}
        record = run(library, {**client, "environment": environment}, folder, stand_ins)
        if record["failure"]:
            print(f"  {name}: {record['failure']}", flush=True)
        losses[name] = record["losses"]
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scripts", type=Path, required=True, help="folder with the scripts' repositories")
    parser.add_argument("--stand-ins", type=Path, default=HERE / "stand_ins")
    parser.add_argument("names", nargs="+", help="clients, as clients.json names them")
    options = parser.parse_args()
    clients = {client["name"]: client for client in json.loads((HERE / "clients.json").read_text())}
    print("| script | torch with other kernels | unspool | unspool, float64 |\n|---|--:|--:|--:|")
    for name in options.names:
        found = losses_of(clients[name], options.scripts.resolve(), options.stand_ins)
        apart = (
            difference(found["torch, other kernels"], found["torch"]),
            difference(found["unspool"], found["torch"]),
            difference(found["unspool, float64"], found["torch, float64"]),
        )
        print(f"| {name} | " + " | ".join(f"{each:.1e}" for each in apart) + " |", flush=True)


if __name__ == "__main__":
    main()
