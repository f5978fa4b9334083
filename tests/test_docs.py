"""The documentation against the sources it shows: quoted code exists, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="runs in a checkout of the sources only")


def added_lines(diff: str) -> dict[str, list[str]]:
    """Return the lines that a diff adds, by file."""
    added: dict[str, list[str]] = {}
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        elif line.startswith("+"):
            added.setdefault(path, []).append(line[1:])
    return added


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def test_the_change_in_add_an_op_is_what_the_sources_hold() -> None:
    guide = (ROOT / "docs" / "add-an-op.md").read_text(encoding="utf-8")
    (diff,) = re.findall(r"```diff\n(.*?)```", guide, re.DOTALL)
    added = added_lines(diff)
    assert added
    for path, lines in added.items():
        source = squeeze((ROOT / path).read_text(encoding="utf-8"))
        for block in "\n".join(lines).split("\n\n"):
            assert squeeze(block) in source, f"{path} no longer holds:\n{block}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "docs" / "how-it-works.md"], ids=["how-it-works"])
def test_files_named_by_the_tour_exist(page: Path) -> None:
    named = set(
        re.findall(r"`((?:base|tensor|ops|kernels|exec|optim|bind)/[\w/.]+)`", page.read_text("utf-8"))
    )
    missing = [
        name
        for name in named
        if not list((ROOT / "cpp").glob(name)) and not list((ROOT / "cpp").glob(name + ".*"))
    ]
    assert missing == []


def cells(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table behind a heading."""
    table = text.split(heading, 1)[1].split("\n|", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def test_the_table_of_the_front_page_is_what_was_measured() -> None:
    results = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    eager = {tuple(row[1:4]) for row in cells(results, "## Whole training steps")}
    captured = {tuple(row[1:4]) for row in cells(results, "## Captured steps against")}
    rows = cells((ROOT / "README.md").read_text(encoding="utf-8"), "## How fast")
    assert len(rows) >= 9
    for name, *figures in rows:
        if any(figures[:3]):
            assert tuple(figures[:3]) in eager, name
        peer = figures[4].partition(" (")[0]
        assert (figures[3], peer, figures[5]) in captured, name
