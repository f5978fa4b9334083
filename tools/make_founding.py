"""Writes docs/founding.md anew: runs every example and keeps what it printed and drew.

Run it with the built package importable, on an otherwise idle machine (some examples measure time):

    python tools/make_founding.py [NAME ...]

With names, only those examples are run; the others' sections stay as they are.
"""

from __future__ import annotations

import contextlib
import io
import platform
import sys
import time
from datetime import date
from pathlib import Path

import unspool
from unspool.demo import load, names, summary

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "founding.md"

# The five texts, in their order, and the examples that answer each.
TEXTS = {
    "Backpropagation by recursion": ["recursion", "tree_lstm"],
    "From recursion to loop": ["from_recursion_to_loop"],
    "The three-layer exercise": ["three_layers"],
    "Minimal modules": ["minimal_modules", "capsules"],
    "Deep-network practice": [],
}
INTRODUCTION = """# The founding texts, answered

Five texts made people want this library: backpropagation written as one recursive function; define-by-run
with a loop; an exercise whose author asked how to make the mathematics plain; a set of minimal modules; a
course of deep-network practice. Each became examples that print what they claim, most in seconds. This
page is what they printed; `python tools/make_founding.py` writes it, `python -m unspool.demo NAME` runs one.

"""


def answered() -> dict[str, list[str]]:
    """Give the examples of each text; what no text claims belongs to the last one, practice."""
    there = names()
    claimed = {name for those in TEXTS.values() for name in those}
    result = {title: [name for name in those if name in there] for title, those in TEXTS.items()}
    result["Deep-network practice"] += [name for name in there if name not in claimed]
    return result


def section(name: str) -> str:
    """Run one example and give its part of the page."""
    folder = PAGE.with_suffix("") / name
    folder.mkdir(parents=True, exist_ok=True)
    printed = io.StringIO()
    start = time.perf_counter()
    takes_folder = '"--out"' in (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    with contextlib.redirect_stdout(printed):
        load(name).main(["--out", str(folder)] if takes_folder else [])
    seconds = time.perf_counter() - start
    pictures = []
    for path in sorted(folder.iterdir()):
        if path.suffix in (".png", ".svg"):
            pictures.append(f"![{path.stem}]({path.relative_to(PAGE.parent)})")
        else:
            path.unlink()
    if not pictures:
        folder.rmdir()
    text = printed.getvalue().replace(f"{folder}/", "").strip()
    lines = [f"### {name}", "", f"{summary(name)}. ({seconds:.1f} s)", "", "```", text, "```", "", *pictures]
    return "\n".join(lines).rstrip() + "\n"


def old_sections() -> dict[str, str]:
    """Give the sections that the page has now, by name."""
    if not PAGE.exists():
        return {}
    parts = PAGE.read_text(encoding="utf-8").split("\n### ")[1:]
    return {part.partition("\n")[0]: "### " + part.partition("\n## ")[0].rstrip() + "\n" for part in parts}


def write(sections: dict[str, str]) -> None:
    """Write the page from what there is."""
    build = "\n".join(f"- {line}" for line in unspool.show_config().splitlines())
    python = platform.python_version()
    text = f"{INTRODUCTION}Last written on {date.today()}, Python {python}, by\n\n{build}\n"
    for title, those in answered().items():
        parts = [sections[name] for name in those if name in sections]
        text += "\n## " + title + "\n\n" + "\n".join(parts)
    PAGE.write_text(text.rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Run the examples and write the page, after each of them."""
    sections = old_sections()
    for name in sys.argv[1:] or names():
        sections[name] = section(name)
        write(sections)


if __name__ == "__main__":
    main()
