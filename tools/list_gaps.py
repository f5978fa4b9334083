"""Writes the list of gaps at the end of docs/compatibility.md anew.

Run it with the built package importable, after operations were added:

    python tools/list_gaps.py
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import unspool

ROOT = Path(__file__).resolve().parent.parent
HEADING = "## Gaps in the surface\n"


def failures() -> dict[str, str]:
    """Try every expression and import; give what fails, with its message."""
    sys.path.insert(0, str(ROOT / "tests"))
    surface = importlib.import_module("test_api_surface")
    found = {}
    for form in surface.CASES:
        try:
            eval(form, surface.variables(unspool))
        except Exception as error:
            found[form] = str(error).splitlines()[0].replace("|", "\\|")
        unspool.set_grad_enabled(True)
    for name in surface.IMPORTS:
        try:
            importlib.import_module(name.replace("torch", "unspool", 1))
        except ImportError:
            found[name] = "the module is not there yet"
    return found


def main() -> None:
    """Rewrite the page."""
    warnings.simplefilter("ignore")
    page = ROOT / "docs" / "compatibility.md"
    text = page.read_text(encoding="utf-8")
    kept = text[: text.index(HEADING) + len(HEADING)]
    rows = [f"| `{form}` | {reason} |" for form, reason in sorted(failures().items())]
    table = ["| expression | why |", "|---|---|", *rows] if rows else ["There are none."]
    page.write_text(
        kept + "\nWritten by `tools/list_gaps.py`.\n\n" + "\n".join(table) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
