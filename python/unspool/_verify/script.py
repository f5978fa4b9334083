"""``python -m unspool.verify script.py [args]``: a whole program under verification."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from unspool._verify import GradientError, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a script; the exit status is 1 after a wrong gradient, told with the line that unwound it."""
    parser = argparse.ArgumentParser(
        prog="python -m unspool.verify",
        description="Run a script and compare every gradient that it computes with differences.",
    )
    parser.add_argument(
        "--no-hooks", action="store_true", help="let hooks change gradients, as those that clip do"
    )
    parser.add_argument(
        "--exempt", action="append", default=[], metavar="NAME", help="an operation that is not compared"
    )
    parser.add_argument("script", type=Path, help="the program")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="its arguments")
    chosen = parser.parse_args(arguments)
    if not chosen.script.is_file():
        parser.error(f"there is no file {chosen.script}")
    return _run(chosen.script, chosen.args, verify(hooks=not chosen.no_hooks, exempt=chosen.exempt))


def _run(script: Path, args: list[str], verifier: verify) -> int:
    before = sys.argv, list(sys.path)
    sys.argv = [str(script), *args]
    sys.path.insert(0, str(script.parent))
    try:
        with verifier:
            runpy.run_path(str(script), run_name="__main__")
    except GradientError as error:
        sys.stderr.write(f"GradientError: {error}{_place(error, script)}\n")
        return 1
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise
    finally:
        sys.argv, sys.path[:] = before
    sys.stderr.write(f"verify: {verifier.checked} gradients compared, none is wrong\n")
    return 0


def _place(error: GradientError, script: Path) -> str:
    """Give the innermost line of the script that the error passed."""
    place, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(script):
            place = f"\n  unwound at {script}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
