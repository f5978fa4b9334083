"""DataLoader over tensors in memory: against torch's, and against the copies that make up its batches.

The floor of a row is the time of the bare copies: the same rows gathered or sliced from the same arrays into
memory that is there already, by NumPy.
"""

from __future__ import annotations

import importlib
import timeit
from typing import Any

import numpy as np

import harness

# Samples, sample shape, batch size, shuffled.
CASES = [
    (20000, (784,), 64, True),
    (20000, (784,), 64, False),
    (20000, (784,), 1024, True),
    (20000, (4,), 64, True),
    (4000, (3, 32, 32), 128, True),
]
EPOCH = "for x, y in loader: pass"


def loader_of(library: Any, rows: np.ndarray[Any, Any], labels: Any, batch: int, shuffle: bool) -> Any:
    data = importlib.import_module(f"{library.__name__}.utils.data")
    tensors = data.TensorDataset(library.from_numpy(rows), library.from_numpy(labels))
    return data.DataLoader(tensors, batch_size=batch, shuffle=shuffle)


def copies_of(rows: np.ndarray[Any, Any], labels: Any, batch: int, shuffle: bool, repeat: int) -> float:
    """Seconds per epoch of nothing but the copies; the best of several."""
    order = np.random.default_rng(0).permutation(len(rows))
    batches = [order[begin : begin + batch] for begin in range(0, len(rows), batch)]
    targets = [(np.empty((len(b), *a.shape[1:]), a.dtype)) for b in batches[:1] for a in (rows, labels)]

    def epoch() -> None:
        for begin, indices in zip(range(0, len(rows), batch), batches, strict=True):
            for source, target in zip((rows, labels), targets, strict=True):
                if shuffle:
                    # Any mode but "raise" writes to the target without a buffer in between.
                    np.take(source, indices, 0, target[: len(indices)], mode="clip")
                else:
                    np.copyto(target[: len(indices)], source[begin : begin + batch])

    return min(timeit.repeat(epoch, number=1, repeat=repeat))


def fill(suite: harness.Suite) -> None:
    us, torch = harness.libraries(suite.options.threads)
    for samples, shape, batch, shuffle in CASES:
        rows = np.random.default_rng(0).standard_normal((samples, *shape)).astype(np.float32)
        labels = np.arange(samples) % 10
        arguments = (rows, labels, batch, shuffle)
        ours, theirs = ({"loader": loader_of(library, *arguments)} for library in (us, torch))
        floor = copies_of(*arguments, repeat=2 if suite.options.quick else 30)
        name = f"{samples} x {shape}, batches of {batch}{', shuffled' if shuffle else ''}"
        suite.duel(name, EPOCH, ours, theirs, floor=floor)
        best = min(timeit.repeat(EPOCH, globals=ours, number=1, repeat=2 if suite.options.quick else 30))
        suite.value(f"{name}: over the copies", best / floor, "x")
    streaming(suite, us)


def streaming(suite: harness.Suite, us: Any) -> None:
    """An epoch of augmentation and training: batches made ahead by a thread, against made in turn."""
    augment, nn = us.augment, us.nn
    moves = [augment.Rotate(15), augment.Scale(0.9, 1.1), augment.ElasticDistort(1, 8), augment.Noise(10)]
    compose = augment.Compose(moves)
    batches = list((us.rand(8, 64, 3, 32, 32) * 255).to(us.uint8))
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3600, 10))
    optimizer = us.optim.SGD(model.parameters(), lr=1e-3)

    def epoch(prepared: Any) -> None:
        for images in prepared:
            loss = model(images.float()).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    suite.duel(
        "8 batches augmented and trained on: ahead, against in turn",
        "run()",
        {"run": lambda: epoch(us.train.Prefetcher(batches, compose))},
        {"run": lambda: epoch(map(compose, batches))},
        contenders=("ahead", "in turn"),
    )


if __name__ == "__main__":
    harness.main("loader", fill)
