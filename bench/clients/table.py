"""Writes what ``run.py`` measured into README.md: the table, and what stands out in it.

    python bench/clients/table.py --machine "an AMD EPYC (two processors, AVX2)"

The text between the two marks in README.md is replaced. Without ``--machine`` it is printed instead.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HEAD = """\
| script | kind | steps | difference | torch, ms a step | unspool, ms a step | ratio | ratio, processor time |
|---|---|--:|--:|--:|--:|--:|--:|"""
BEGIN, END = "<!-- measured: table.py writes what follows -->", "<!-- end -->"


def row(result: dict[str, Any]) -> str:
    """Give a line of the table."""
    if result.get("failure"):
        return f"| {result['name']} | did not run: {result['failure']} | | | | | | |"
    return (
        f"| {result['name']} | {result['kind']} | {result['steps']} | {result['difference']:.1e} "
        f"| {result['torch_ms']:.2f} | {result['unspool_ms']:.2f} | {result['ratio']:.2f} "
        f"| {result['processor_ratio']:.2f} |"
    )


def named(results: list[dict[str, Any]], key: str) -> str:
    """Give names with a figure, the greatest first."""
    ordered = sorted(results, key=lambda result: -float(result[key]))
    form = ".1e" if key == "difference" else ".2f"
    return ", ".join(f"{each['name']} {each[key]:{form}}" for each in ordered) or "none"


def summary(results: list[dict[str, Any]]) -> str:
    """Say how many there are and which stand out."""
    ran = [each for each in results if not each.get("failure")]
    wall, processor = ([each[key] for each in ran] for key in ("ratio", "processor_ratio"))
    above = [each for each in ran if each["ratio"] > 1]
    near = [each for each in ran if 0.8 < each["ratio"] <= 1]
    apart = [each for each in ran if each["difference"] > 1e-4]
    text = (
        f"{len(ran)} measured. Median of the ratios: {statistics.median(wall):.2f} by the clock, "
        f"{statistics.median(processor):.2f} of processor time. Above 1.0: {named(above, 'ratio')}; "
        f"above 0.8: {named(near, 'ratio')}. Losses differ by more than 1e-4: {named(apart, 'difference')}."
    )
    return textwrap.fill(text, 110, break_on_hyphens=False, break_long_words=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md")
    parser.add_argument("--machine", help="where, when and what was measured: the sentence's end")
    options = parser.parse_args()
    results = json.loads(options.json.read_text())
    part = "\n".join([HEAD, *map(row, results), "", summary(results)])
    if options.machine is None:
        print(part)
        return
    line = textwrap.fill(f"Measured on {options.machine}.", 110, break_on_hyphens=False)
    page = options.readme.read_text()
    whole = f"{BEGIN}\n\n{line}\n\n{part}\n\n{END}"
    page, found = re.subn(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: whole, page, flags=re.DOTALL)
    if found != 1:
        raise SystemExit(f"{options.readme} has no place for the table: {BEGIN} ... {END}")
    options.readme.write_text(page)


if __name__ == "__main__":
    main()
