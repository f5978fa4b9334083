"""Runnable examples: ``python -m unspool.demo``. Each demo is a module of its own, meant to be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line sets for every demo; None leaves the choice to the demo."""

    out: Path
    seed: int
    epochs: int | None


DEMOS = {
    "digits": "a multi-layer perceptron learns to read handwritten digits",
}
