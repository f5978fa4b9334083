"""``Compare``: a table of measurements for each label, a row per variant, a column per description."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from unspool.utils.benchmark._measurement import Measurement, unit_of

__all__ = ["Compare"]

_GREEN, _RED, _PLAIN = "\033[92m", "\033[91m", "\033[0m"


class Compare:
    """Shows measurements side by side; ``print`` or ``str`` give the tables.

    Args:
        results: measurements; those of one task are taken together.
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self._has_trimmed = self._has_colors = self._is_rowwise = self._has_warnings = False
        self.extend_results(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Adds measurements.

        Raises:
            ValueError: something else is among them.
        """
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(f"Compare: expected Measurement, got {type(result).__name__}")
            self._results.append(result)

    def trim_significant_figures(self) -> None:
        """Shows only digits that mean something; see ``Measurement.significant_figures``."""
        self._has_trimmed = True

    def colorize(self, rowwise: bool = False) -> None:
        """Shows the shortest time of each column (or row) in green, and those of twice its length in red."""
        self._has_colors, self._is_rowwise = True, rowwise

    def highlight_warnings(self) -> None:
        """Marks times whose interquartile range is too wide with "(! ...%)"."""
        self._has_warnings = True

    def print(self) -> None:
        """Prints the tables."""
        sys.stdout.write(f"{self}\n")

    def __str__(self) -> str:
        labels: dict[str | None, list[Measurement]] = {}
        for result in Measurement.merge(self._results):
            labels.setdefault(result.task_spec.label, []).append(result)
        return "\n".join(self._table(label, results) for label, results in labels.items())

    def _table(self, label: str | None, results: list[Measurement]) -> str:
        unit, length = unit_of(min(result.median for result in results))
        columns = list(dict.fromkeys(result.task_spec.description or "" for result in results))
        cells: dict[tuple[int, str], dict[str, Measurement]] = {}
        several = len({result.task_spec.env for result in results}) > 1
        for result in results:
            name = result.as_row_name + (f" ({result.env})" if several else "")
            row = cells.setdefault((result.task_spec.num_threads, name), {})
            row[result.task_spec.description or ""] = result
        left = max(len(name) for _, name in cells) + 6
        texts = {key: [self._text(row.get(c), length) for c in columns] for key, row in cells.items()}
        widths = [max(len(c), *(len(t[i]) for t in texts.values())) for i, c in enumerate(columns)]
        lines = [" " * left + "".join(f"  |  {c:^{w}}" for c, w in zip(columns, widths, strict=True))]
        threads = None
        for key in sorted(texts, key=lambda key: key[0]):
            if key[0] != threads:
                threads = key[0]
                lines.append(f"{threads} thread{'s' if threads > 1 else ''}: ".ljust(len(lines[0]), "-"))
            shown = [
                self._colored(f"{text:>{w}}", cells, key, c)
                for text, w, c in zip(texts[key], widths, columns, strict=True)
            ]
            lines.append(f"      {key[1]:<{left - 6}}" + "".join(f"  |  {text}" for text in shown))
        title = f" {label} " if label else ""
        return f"[{title:-^{len(lines[0]) - 2}}]\n" + "\n".join(lines) + f"\n\nTimes are in {_name(unit)}.\n"

    def _text(self, result: Measurement | None, length: float) -> str:
        if result is None:
            return ""
        time = result.median / length
        text = f"{time:.{result.significant_figures}g}" if self._has_trimmed else f"{time:.1f}"
        if "e" in text:
            text = f"{float(text):.0f}"
        if self._has_warnings and result.has_warnings:
            text = f"(! {result.iqr / result.median:.0%}) {text}"
        return text

    def _colored(self, text: str, cells: dict[Any, Any], key: tuple[int, str], column: str) -> str:
        result = cells[key].get(column)
        if not self._has_colors or result is None:
            return text
        peers = (
            cells[key].values() if self._is_rowwise else [r[column] for r in cells.values() if column in r]
        )
        best = min(peer.median for peer in peers)
        color = _GREEN if result.median == best else _RED if result.median >= 2 * best else ""
        return f"{color}{text}{_PLAIN}" if color else text


def _name(unit: str) -> str:
    return {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}[
        unit
    ] + f" ({unit})"
