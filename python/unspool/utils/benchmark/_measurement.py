"""``Measurement``: the times of one statement, and what can be said about it from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Measurement", "TaskSpec", "unit_of"]

# From this share of the median on, the middle half of the times is too wide to be trusted.
_WIDE = 0.1
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit in which a time has one to three digits before the point, and its length in seconds."""
    fitting = [(name, length) for name, length in _UNITS.items() if seconds >= length]
    return fitting[-1] if fitting else ("ns", 1e-9)


@dataclass(frozen=True)
class TaskSpec:
    """What is measured: the statement, what goes before it, and the names under which it is shown."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or the statement where there is none, and the part of it."""
        if self.label is None:
            return self.stmt + (f"\n  {self.sub_label}" if self.sub_label else "")
        return self.label + (f": {self.sub_label}" if self.sub_label else "")

    def setup_str(self) -> str:
        """What goes before the statement, for a printed line."""
        if not self.setup or self.setup == "pass":
            return ""
        return f"setup:\n{self.setup}" if "\n" in self.setup else f"setup: {self.setup}"

    def summarize(self) -> str:
        """Title, description and setup, a line each."""
        lines = (self.title, self.description or "", self.setup_str())
        return "\n".join(line for line in lines if line)


@dataclass
class Measurement:
    """Times of a statement.

    Attributes:
        number_per_run: how often the statement ran within each of ``raw_times``.
        raw_times: seconds, one entry per measurement.
        task_spec: what was measured; its fields are attributes here too.
        metadata: anything that should be kept with the times.
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if name != "task_spec" and name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute {name!r}")

    def _checked_times(self) -> list[float]:
        if not self.raw_times:
            raise ValueError("Measurement: there are no times")
        return self.times

    @property
    def times(self) -> list[float]:
        """Seconds per run of the statement, one entry per measurement."""
        return [time / self.number_per_run for time in self.raw_times]

    @property
    def median(self) -> float:
        """Seconds per run, the median."""
        return statistics.median(self._checked_times())

    @property
    def mean(self) -> float:
        """Seconds per run, the mean."""
        return statistics.fmean(self._checked_times())

    @property
    def iqr(self) -> float:
        """Seconds between the first and the third quartile of the times per run; 0 for a single one."""
        times = self._checked_times()
        if len(times) == 1:
            return 0.0
        low, _, high = statistics.quantiles(times, n=4, method="inclusive")
        return high - low

    @property
    def significant_figures(self) -> int:
        """How many digits of the median mean something, 1 to 5, from the spread of the times.

        What the median may be off by is taken to be half of the 90 % interval for the mean of as many draws
        from a normal law with these quartiles.
        """
        off = 1.645 * self.iqr / 1.349 / math.sqrt(len(self._checked_times()))
        if off <= 0 or self.median <= 0:
            return 5 if len(self.raw_times) > 1 else 2
        return max(1, min(5, 1 + math.floor(math.log10(self.median / off))))

    @property
    def has_warnings(self) -> bool:
        """Whether the middle half of the times is wider than a tenth of the median."""
        return not self.meets_confidence(_WIDE)

    def meets_confidence(self, threshold: float = _WIDE) -> bool:
        """Whether the middle half of the times is at most ``threshold`` medians wide."""
        return self.iqr <= threshold * self.median

    @property
    def title(self) -> str:
        """See ``TaskSpec.title``."""
        return self.task_spec.title

    @property
    def env(self) -> str:
        """In which environment the times were taken; "Unspecified env" where that was not said."""
        return self.task_spec.env or "Unspecified env"

    @property
    def as_row_name(self) -> str:
        """The name of its row in a table: the part of the label, the statement, or "[Unknown]"."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One measurement for each task, with the times of all of its measurements."""
        tasks: dict[TaskSpec, list[Measurement]] = {}
        for measurement in measurements:
            tasks.setdefault(measurement.task_spec, []).append(measurement)
        return [
            group[0]
            if len(group) == 1
            else Measurement(1, [time for each in group for time in each.times], task)
            for task, group in tasks.items()
        ]

    def __repr__(self) -> str:
        unit, length = unit_of(self.median)
        count, threads = len(self.raw_times), self.task_spec.num_threads
        lines = [object.__repr__(self), self.task_spec.summarize()]
        if count > 1:
            quartiles = statistics.quantiles(self.times, n=4, method="inclusive")
            low, high = quartiles[0] / length, quartiles[2] / length
            lines.append(f"  Median: {self.median / length:.2f} {unit}")
            lines.append(f"  IQR:    {self.iqr / length:.2f} {unit} ({low:.2f} to {high:.2f})")
        else:
            lines.append(f"  {self.median / length:.2f} {unit}")
        runs = f"{self.number_per_run} runs" + (" per measurement" if count > 1 else "")
        plural = "s" if count > 1 else ""
        lines.append(f"  {count} measurement{plural}, {runs}, {threads} thread{'s' if threads > 1 else ''}")
        if self.has_warnings:
            share = self.iqr / self.median
            lines.append(f"  WARNING: Interquartile range is {share:.1%} of the median measurement")
        return "\n".join(lines)
