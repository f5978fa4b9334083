"""The command line of the examples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unspool.demo import load, names, summary


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unspool.demo", description="Run an example of unspool; without a name, digits."
    )
    parser.add_argument("--list", action="store_true", help="list the examples and stop")
    parser.add_argument("name", nargs="?", choices=names(), metavar="NAME", help="which example")
    parser.add_argument(
        "options", nargs=argparse.REMAINDER, help="what the example itself takes: NAME --help tells"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example that is named; the exit status is 0, or 1 if a package or a file is missing."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("--list", "--help", "-h")):
        words.insert(0, "digits")
    chosen = _parser().parse_args(words)
    if chosen.list:
        for name in names():
            print(f"{name}: {summary(name)}")
        return 0
    try:
        example = load(chosen.name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "unspool":
            raise
        print(f'The example needs {error.name}: pip install "unspool[demo]"', file=sys.stderr)
        return 1
    sys.argv[0] = f"python -m unspool.demo {chosen.name}"
    try:
        example.main(chosen.options)
    except OSError as error:  # a folder that cannot be written, a table that is not there
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
