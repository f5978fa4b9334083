"""Reading handwritten digits: a small network from raw scans to saved weights.

The data are the 1,797 scans of 8 x 8 pixels that come with scikit-learn (UCI Optical Recognition of
Handwritten Digits, Alpaydin and Kaynak 1998). A fifth of them is held out: the network does not learn from
it, and is judged by how many of those it reads correctly.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

# Extras: imported here, at the top, so that a missing one is named before anything is computed.
from sklearn.datasets import load_digits
from tqdm import tqdm

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import Options
from unspool.demo._digits_figure import draw

EPOCHS = 40
BATCH_SIZE = 32
HELD_OUT = 0.2


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


def run(options: Options) -> None:
    """Train, evaluate, draw, save and load again."""
    us.manual_seed(options.seed)
    training, test = load_data()
    model = build_model()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{len(training.labels)} digits to learn from, {len(test.labels)} held out; {parameters} parameters"
    )

    start = time.perf_counter()
    history = train(model, training, test, options.epochs or EPOCHS)
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
