"""Runs a script that was written for PyTorch: ``python -m unspool.run script.py arguments...``.

The script sees unspool wherever it imports torch, its own arguments in ``sys.argv``, and ``__name__`` as
``"__main__"``. ``python -m unspool.run -m package.module arguments...`` runs a module.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from unspool.interop._torch_names import install

_USAGE = "usage: python -m unspool.run (script.py | -m module) [arguments...]"
_HELP = f"""{_USAGE}

Run a script that was written for PyTorch: wherever it imports torch, it is given unspool."""


def main(arguments: list[str]) -> None:
    """Run the script that the first argument names with the others."""
    if arguments and arguments[0] in ("-h", "--help"):
        sys.stdout.write(_HELP + "\n")
        return
    if not arguments or arguments == ["-m"]:
        raise SystemExit(_USAGE)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    script = Path(arguments[0])
    if not script.is_file():
        raise SystemExit(f"unspool.run: there is no file {script}")
    sys.argv = arguments
    # As Python does for scripts: their folder comes first.
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
