"""Reading handwritten digits: a small network from raw scans to saved weights.

The data are the 1,797 scans of 8 x 8 pixels that come with scikit-learn (UCI Optical Recognition of
Handwritten Digits, Alpaydin and Kaynak 1998). A fifth of them is held out: the network does not learn from
it, and is judged by how many of those it reads correctly.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

# Extras: imported here, at the top, so that a missing one is named before anything is computed.
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter
from sklearn.datasets import load_digits
from tqdm import tqdm

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import at_least_one

BATCH_SIZE = 32
HELD_OUT = 0.2

ROWS, COLUMNS = 4, 4

TRAINING_COLOUR = "#9aa5b1"
TEST_COLOUR = "#1f5fa8"
WRONG_COLOUR = "#c0392b"
RIGHT_COLOUR = "#52606d"
PALE = "#dde2e8"


class Samples(NamedTuple):
    """Images, (samples, 64), from 0 (paper) to 1 (ink), and the digits they show, (samples,)."""

    images: us.Tensor
    labels: us.Tensor


@dataclass
class History:
    """What happened during training, one number per epoch."""

    training_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    training_accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)


def load_data() -> tuple[Samples, Samples]:
    """Give the training samples and the test samples, in random order."""
    digits = load_digits()
    images = us.tensor(digits.data, dtype=us.float32) / 16
    labels = us.tensor(digits.target, dtype=us.int64)
    order = us.randperm(len(labels))
    count = round(HELD_OUT * len(labels))
    test, training = order[:count], order[count:]
    return Samples(images[training], labels[training]), Samples(images[test], labels[test])


def build_model() -> nn.Module:
    """Give a network from 64 pixels to 10 scores, one per digit."""
    return nn.Sequential(
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 10),
    )


@us.no_grad()
def evaluate(model: nn.Module, samples: Samples) -> tuple[float, float]:
    """Give the mean loss and the share of samples that the network reads correctly."""
    model.eval()
    scores = model(samples.images)
    correct = scores.argmax(dim=1) == samples.labels
    return F.cross_entropy(scores, samples.labels).item(), correct.double().mean().item()


def train_one_epoch(model: nn.Module, optimizer: optim.Optimizer, samples: Samples) -> None:
    """Show the network every training sample once, in small batches and in random order.

    A little noise, dropout, and labels that are not quite certain keep it from learning by heart.
    """
    model.train()
    for batch in us.randperm(len(samples.labels)).split(BATCH_SIZE):
        images = samples.images[batch]
        scores = model(images + 0.15 * us.randn_like(images))
        loss = F.cross_entropy(scores, samples.labels[batch], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train(model: nn.Module, training: Samples, test: Samples, epochs: int) -> History:
    """Train with Adam and a learning rate that falls to zero along half a cosine."""
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    history = History()
    progress = tqdm(range(epochs), desc="training", unit="epoch")
    for _ in progress:
        train_one_epoch(model, optimizer, training)
        schedule.step()
        for samples, losses, accuracies in (
            (training, history.training_loss, history.training_accuracy),
            (test, history.test_loss, history.test_accuracy),
        ):
            loss, accuracy = evaluate(model, samples)
            losses.append(loss)
            accuracies.append(accuracy)
        latest = {"loss": f"{history.training_loss[-1]:.4f}", "test": f"{history.test_accuracy[-1]:.1%}"}
        progress.set_postfix(latest, refresh=False)
    return history


@us.no_grad()
def read(model: nn.Module, images: us.Tensor) -> us.Tensor:
    """Give the probability of each digit for each image, (images, 10)."""
    model.eval()
    return F.softmax(model(images), dim=1)


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


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train, evaluate, draw, save and load again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("unspool-demo"), help="where to write files")
    parser.add_argument("--epochs", type=at_least_one, default=40, help="passes over the training data")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    us.manual_seed(options.seed)
    training, test = load_data()
    model = build_model()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{len(training.labels)} digits to learn from, {len(test.labels)} held out; {parameters} parameters"
    )

    start = time.perf_counter()
    history = train(model, training, test, options.epochs)
    seconds = time.perf_counter() - start
    _, accuracy = evaluate(model, test)
    probabilities = read(model, test.images)
    mistakes = int((probabilities.argmax(dim=1) != test.labels).sum())
    print(f"trained in {seconds:.1f} s")
    print(f"test accuracy: {accuracy:.2%} ({mistakes} of {len(test.labels)} misread)")

    picture = options.out / "digits.png"
    draw(picture, history, test, probabilities)
    print(f"learning curves and misread digits: {picture}")

    weights = options.out / "digits.safetensors"
    us.save(model.state_dict(), weights)
    reloaded = build_model()
    reloaded.load_state_dict(us.load(weights))
    _, accuracy_again = evaluate(reloaded, test)
    print(f"weights: {weights}; loaded into a new network, its test accuracy is {accuracy_again:.2%}")
    if accuracy_again != accuracy:
        raise RuntimeError("the reloaded network reads differently")
    return {"accuracy": accuracy, "misread": mistakes, "seconds": seconds}


if __name__ == "__main__":
    main()
