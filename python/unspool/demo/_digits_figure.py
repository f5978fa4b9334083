"""The picture that the digits demo draws: learning curves, and the digits that were misread."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

import unspool as us

if TYPE_CHECKING:
    from unspool.demo.digits import History, Samples

MOST_SHOWN = 16

TRAINING_COLOUR = "#9aa5b1"
TEST_COLOUR = "#1f5fa8"
WRONG_COLOUR = "#c0392b"


def _draw_curves(
    axes: Any, training: list[float], test: list[float], title: str, *, legend: bool = False
) -> None:
    epochs = range(1, len(training) + 1)
    axes.plot(epochs, training, color=TRAINING_COLOUR, linewidth=2, label="training")
    axes.plot(epochs, test, color=TEST_COLOUR, linewidth=2, label="test")
    axes.set_yscale("log")
    axes.set_title(title, loc="left", fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#e6e9ed", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(frameon=False)


def _draw_digit(axes: Any, image: us.Tensor, label: int, probabilities: us.Tensor) -> None:
    read = int(probabilities.argmax())
    axes.imshow(image.reshape(8, 8).numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(f"{label}, read as {read}", fontsize=10, color=WRONG_COLOUR, pad=4)
    axes.set_xlabel(
        f"{read}: {float(probabilities[read]):.0%}   {label}: {float(probabilities[label]):.0%}", fontsize=8
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cbd2d9")


def draw(path: Path, history: History, accuracy: float, mistakes: Samples, probabilities: us.Tensor) -> None:
    """Write the picture as a PNG.

    Args:
        path: the file to write.
        history: what happened during training.
        accuracy: the final share of test samples that are read correctly.
        mistakes: test samples that are misread.
        probabilities: what the network makes of them, (samples, 10).
    """
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    figure.suptitle(f"Handwritten digits: {accuracy:.2%} of the test scans are read correctly", fontsize=14)
    curves, digits = figure.subfigures(1, 2, width_ratios=(1, 1.05), wspace=0.04).tolist()

    loss_axes, error_axes = curves.subplots(2, 1, sharex=True)
    _draw_curves(loss_axes, history.training_loss, history.test_loss, "cross-entropy", legend=True)
    training_errors = [1 - share for share in history.training_accuracy]
    test_errors = [1 - share for share in history.test_accuracy]
    _draw_curves(error_axes, training_errors, test_errors, "share of misread digits")
    error_axes.set_yscale("linear")
    error_axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    error_axes.set_ylim(0, max(0.1, 1.2 * max(test_errors[1:], default=0.1)))
    error_axes.set_xlabel("epoch")

    count = len(mistakes.labels)
    shown = min(count, MOST_SHOWN)
    digits.suptitle(f"{shown} of {count} misread test digits, most confident mistakes first", fontsize=11)
    order = probabilities.amax(dim=1).tolist()
    ranked = sorted(range(count), key=lambda place: -order[place])
    columns = math.ceil(math.sqrt(max(shown, 4)))
    rows = math.ceil(max(shown, 1) / columns)
    panels = digits.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_visible(False)
    for axes, place in zip(panels.flat, ranked[:shown], strict=False):
        axes.set_visible(True)
        _draw_digit(axes, mistakes.images[place], int(mistakes.labels[place]), probabilities[place])
    figure.savefig(path, dpi=110)
