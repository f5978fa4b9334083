"""The picture that the digits demo draws: learning curves, and the digits that were misread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

import unspool as us

if TYPE_CHECKING:
    from unspool.demo.digits import History, Samples

ROWS, COLUMNS = 4, 4

TRAINING_COLOUR = "#9aa5b1"
TEST_COLOUR = "#1f5fa8"
WRONG_COLOUR = "#c0392b"
RIGHT_COLOUR = "#52606d"
PALE = "#dde2e8"


def _draw_curves(axes: Any, training: list[float], test: list[float], title: str) -> None:
    epochs = range(1, len(training) + 1)
    marker = "o" if len(training) < 10 else ""
    axes.plot(epochs, training, color=TRAINING_COLOUR, linewidth=2, marker=marker, label="training")
    axes.plot(epochs, test, color=TEST_COLOUR, linewidth=2, marker=marker, label="test")
    axes.set_xlim(0, len(training) + 1)
    axes.set_title(title, loc="left", fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=PALE, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_losses(axes: Any, history: History) -> None:
    _draw_curves(axes, history.training_loss, history.test_loss, "cross-entropy")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False)


def _draw_errors(axes: Any, history: History) -> None:
    training = [1 - share for share in history.training_accuracy]
    test = [1 - share for share in history.test_accuracy]
    _draw_curves(axes, training, test, "share of misread digits")
    # The first epochs are off the scale, so that the later ones can be told apart.
    axes.set_ylim(0, max(0.1, 2 * test[-1]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("epoch")


def _draw_digit(axes: Any, image: us.Tensor, label: int, probabilities: us.Tensor) -> None:
    shares = probabilities.tolist()
    answer, runner_up = sorted(range(10), key=lambda digit: -shares[digit])[:2]
    is_wrong = answer != label
    other = label if is_wrong else runner_up
    axes.imshow(image.reshape(8, 8).numpy(), cmap="gray_r", vmin=0, vmax=1)
    title = f"{label}, read as {answer}" if is_wrong else f"{label}"
    axes.set_title(title, fontsize=10, color=WRONG_COLOUR if is_wrong else RIGHT_COLOUR, pad=4)
    caption = f"{answer}: {shares[answer]:.0%}   {other}: {shares[other]:.0%}"
    axes.set_xlabel(caption, fontsize=8, color=RIGHT_COLOUR)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(PALE)


def _most_telling(test: Samples, probabilities: us.Tensor) -> list[int]:
    """Order the test samples: misread ones first, the surest in front, then the least sure of the rest."""
    certainty = probabilities.amax(dim=1)
    is_correct = probabilities.argmax(dim=1) == test.labels
    rank = us.where(is_correct, certainty, -certainty).tolist()
    return sorted(range(len(rank)), key=rank.__getitem__)


def draw(path: Path, history: History, test: Samples, probabilities: us.Tensor) -> None:
    """Write the picture as a PNG.

    Args:
        path: the file to write.
        history: what happened during training.
        test: the held-out samples.
        probabilities: what the network makes of them, (samples, 10).
    """
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    figure.suptitle(f"{history.test_accuracy[-1]:.2%} of the held-out digits are read correctly", fontsize=14)
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.05), wspace=0.05)

    loss_axes, error_axes = halves[0].subplots(2, 1, sharex=True)
    _draw_losses(loss_axes, history)
    _draw_errors(error_axes, history)

    halves[1].suptitle("misread digits (red), and those the network was least sure of", fontsize=11)
    panels = halves[1].subplots(ROWS, COLUMNS).flat
    for axes, place in zip(panels, _most_telling(test, probabilities), strict=False):
        _draw_digit(axes, test.images[place], int(test.labels[place]), probabilities[place])
    figure.savefig(path, dpi=110)
