"""The command line of the demos."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from unspool.demo import DEMOS, Options


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m unspool.demo", description="Run a demo of unspool.")
    parser.add_argument(
        "name", nargs="?", default="digits", choices=DEMOS, help="which demo; default: digits"
    )
    parser.add_argument("--list", action="store_true", help="list the demos and stop")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("unspool-demo"),
        metavar="DIR",
        help="where to write files; default: unspool-demo",
    )
    parser.add_argument("--epochs", type=_at_least_one, help="passes over the training data")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers; default: 0")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo that the command line names; the exit status is 0, or 1 if something is not installed."""
    chosen = _parser().parse_args(arguments)
    if chosen.list:
        for name, summary in DEMOS.items():
            print(f"{name}: {summary}")
        return 0
    try:
        demo = importlib.import_module(f"unspool.demo.{chosen.name}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "unspool":
            raise
        print(f'The demo needs {error.name}: pip install "unspool[demo]"', file=sys.stderr)
        return 1
    chosen.out.mkdir(parents=True, exist_ok=True)
    demo.run(Options(out=chosen.out, seed=chosen.seed, epochs=chosen.epochs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
