"""What the library means to reach, as a literal table. One thread, ratios are unspool's time over torch's."""

from __future__ import annotations

import dataclasses
import math
import statistics
from fnmatch import fnmatchcase

from harness import Row, quantity

# A rate of at least 0.97 of torch's is a time of at most 1/0.97 of it.
NEARLY = 1 / 0.97


@dataclasses.dataclass(frozen=True)
class Goal:
    """An upper limit for rows whose suite and name match."""

    suite: str
    name: str  # a pattern; every row that matches must keep the limit
    limit: float
    of: str = "ratio"  # or "ours"
    rate: bool = False  # told as a ratio of rates, the inverse of that of times

    def matches(self, row: Row) -> bool:
        return row.suite == self.suite and fnmatchcase(row.name, self.name)

    def value(self, row: Row) -> float:
        value = getattr(row, self.of)
        assert isinstance(value, float | int)
        return value

    def limit_text(self, row: Row) -> str:
        if self.rate:
            return f"at least {1 / self.limit:.2f}x the rate"
        return (
            f"at most {self.limit:.3g}x"
            if self.of == "ratio"
            else f"at most {quantity(self.limit, row.unit)}"
        )

    def measured_text(self, row: Row) -> str:
        value = self.value(row)
        if self.rate:
            return f"{1 / value:.2f}x"
        return f"{value:.2f}x" if self.of == "ratio" else quantity(value, row.unit)


GOALS = (
    Goal("overhead", "a + b, 4 floats", 0.4),
    Goal("overhead", "a + b, 4 floats, recorded", 0.4),
    Goal("overhead", "Linear(4, 4) forward", 0.3),
    Goal("overhead", "Linear(4, 4) forward + backward", 0.2),
    Goal("steps", "3-4-4-2 *", 0.2),
    Goal("steps", "4-64-64-2 *", 0.3),
    Goal("steps", "500 x 32 *", 0.3),
    Goal("steps", "784-512-512-10 *", 0.85),
    Goal("steps", "4 x 2048 *", 0.85),
    Goal("captured", "3-4-4-2 *", 0.20),
    Goal("captured", "4-64-64-2 *", 0.45),
    Goal("captured", "64-256-256-1 *", 0.78),
    Goal("captured", "the same with dropout 0.2", 0.72),
    Goal("captured", "500 x 32 *", 0.45),
    Goal("captured", "4 x 2048 *", 0.95),
    Goal("captured", "LeNet*", 0.28),
    Goal("captured", "small ResNet*", 0.75),
    Goal("captured", "LSTM*", 0.72),
    Goal("captured", "GPT*", 0.70),
    Goal("captured", "inference 4-64-64-2*", 0.30),
    Goal("captured", "inference 784-512-512-10*", 0.75),
    Goal("captured", "geometric mean of all", 0.55),
    Goal("others", "*", 1.0),
    Goal("captured_costs", "first call, captured: 4-64-64-2*", 0.01, "ours"),
    Goal("captured_costs", "first call, captured: GPT*", 0.1, "ours"),
    Goal("captured_costs", "peak memory: *", 0.6),
    Goal("captured_costs", "20 steps from start: LeNet*", 0.35, "ours"),
    Goal("kernels", "matmul 1024x1024x1024 *", NEARLY, rate=True),
    Goal("kernels", "matmul 128x784x512 *", NEARLY, rate=True),
    Goal("kernels", "matmul 128x512x10 *", 1.0, rate=True),
    Goal("kernels", "exp", 0.8),
    Goal("kernels", "tanh", 0.8),
    Goal("kernels", "gelu", 0.8),
    Goal("convolution", "LeNet 1*, forward + backward", 0.25),
    Goal("convolution", "LeNet 2*, forward + backward", 0.6),
    Goal("convolution", "ResNet [123], *, forward + backward", 0.9),
    Goal("recurrent", "LSTM (32, 32, 64, 128) forward + backward", 0.8),
    Goal("normalization", "* forward + backward", 0.8),
    Goal("attention", "attention *, and backward", 0.8),
    Goal("attention", "*softmax *", 0.8),
    Goal("attention", "cross_entropy *", 0.8),
    Goal("attention", "dropout *", 0.3),
    Goal("picking", "sort *", 1.0),
    Goal("picking", "topk *", 1.0),
    Goal("picking", "cumsum *", 1.0),
    Goal("picking", "gather *", 1.0),
    Goal("picking", "scatter*", 1.0),
    Goal("augment", "four transforms, *", 1 / 3),
    Goal("unwinding", "4 x 2048 *: all memory, *", 0.75),
    Goal("unwinding", "4 x 2048 *AdamW, eager", 1.0),
    Goal("unwinding", "4 x 2048 *AdamW, captured", 1.0),
    Goal("tree_lstm", "*", 1.0),
    Goal("loader", "*: over the copies", 1.2, "ours"),
    Goal("accuracy", "exp", 2.0, "ours"),
    Goal("accuracy", "log", 2.0, "ours"),
    Goal("accuracy", "tanh", 2.0, "ours"),
    Goal("footprint", "import, over numpy's", 0.060, "ours"),
    Goal("footprint", "memory after import, over numpy's", 15.0, "ours"),
    Goal("footprint", "tape node, largest", 200.0, "ours"),
    Goal("footprint", "resident bytes per node, *", 200.0, "ours"),
    Goal("footprint", "build and backward per node, *", 1e-6, "ours"),
    # In the other chain of that program, a kernel runs at each node on the way back, too.
    Goal("programs", 'tape_bench: record_and_unwind/"y + 1"/*', 120e-9, "ours"),
    Goal("threads", "MLP of width *[0-9]", 1.05),
    Goal("threads", "captured MLP of width *[0-9]", 1.05),
    Goal("threads", "*, a processor held", 1.1),
)


def with_means(rows: list[Row]) -> list[Row]:
    """The rows, and the geometric mean of the ratios of captured steps as one more."""
    ratios = [row.ratio for row in rows if row.suite == "captured" and row.ratio is not None]
    if not ratios:
        return rows
    return [
        *rows,
        Row("captured", "geometric mean of all", math.nan, ratio=statistics.geometric_mean(ratios)),
    ]


def table(rows: list[Row]) -> str:
    """Markdown: goal by goal, every row that it binds."""
    rows = with_means(rows)
    lines = ["| | goal | measured | reached |", "|---|---|--:|---|"]
    for goal in GOALS:
        bound = [row for row in rows if goal.matches(row)]
        for row in bound:
            verdict = "yes" if goal.value(row) <= goal.limit else "**missed**"
            measured = goal.measured_text(row)
            lines.append(f"| {row.suite}: {row.name} | {goal.limit_text(row)} | {measured} | {verdict} |")
        if not bound:
            lines.append(f"| {goal.suite}: {goal.name} | at most {goal.limit:g} | not measured | |")
    return "\n".join(lines)
