"""Whole eager training steps: zero_grad, forward, loss, backward, update. One code for both libraries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import harness

STEP = "optimizer.zero_grad(); criterion(model(x), y).backward(); optimizer.step()"


@dataclasses.dataclass(frozen=True)
class Job:
    """A network, its batch and its optimizer."""

    name: str
    sizes: tuple[int, ...]
    activation: str
    batch: int
    optimizer: Callable[[Any, Any], Any]  # from the library and the parameters
    passes: int  # how often an update touches memory of the parameters' size, reading or writing
    loss: str = "MSELoss"
    dropout: float = 0.0


def sgd(lib: Any, parameters: Any) -> Any:
    return lib.optim.SGD(parameters, lr=0.01)


def momentum(lib: Any, parameters: Any) -> Any:
    return lib.optim.SGD(parameters, lr=0.01, momentum=0.9)


def adam(lib: Any, parameters: Any) -> Any:
    return lib.optim.Adam(parameters, lr=1e-3)


def adamw(lib: Any, parameters: Any) -> Any:
    return lib.optim.AdamW(parameters, lr=1e-4)


CLASSIFIER = (784, 512, 512, 10)
JOBS = (
    Job("3-4-4-2 sigmoid, batch 5, SGD", (3, 4, 4, 2), "Sigmoid", 5, sgd, 3),
    Job("4-64-64-2 tanh, batch 64, Adam", (4, 64, 64, 2), "Tanh", 64, adam, 7),
    Job("500 x 32 tanh, batch 32, SGD", (32,) * 501, "Tanh", 32, sgd, 3),
    Job("784-512-512-10 relu, batch 128, momentum", CLASSIFIER, "ReLU", 128, momentum, 5, "CrossEntropyLoss"),
    Job("the same with dropout 0.5", CLASSIFIER, "ReLU", 128, momentum, 5, "CrossEntropyLoss", 0.5),
    Job("4 x 2048 relu, batch 256, AdamW", (2048,) * 5, "ReLU", 256, adamw, 7),
)


def layers(lib: Any, job: Job) -> list[Any]:
    """Activations and dropout everywhere but after the last layer."""
    result = []
    for inputs, outputs in pairwise(job.sizes):
        result += [lib.nn.Linear(inputs, outputs), getattr(lib.nn, job.activation)()]
        if job.dropout:
            result.append(lib.nn.Dropout(job.dropout))
    return result[: -2 if job.dropout else -1]


def weights(job: Job) -> dict[str, np.ndarray]:
    """Under the names of the state dict: uniform, as wide as Xavier's rule asks for."""
    rng = np.random.default_rng(0)
    stride = 3 if job.dropout else 2
    result = {}
    for i, (inputs, outputs) in enumerate(pairwise(job.sizes)):
        bound = (6.0 / (inputs + outputs)) ** 0.5
        result[f"{stride * i}.weight"] = rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
        result[f"{stride * i}.bias"] = np.zeros(outputs, np.float32)
    return result


def names(lib: Any, job: Job) -> dict[str, Any]:
    """What STEP needs."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(job.batch, job.sizes[0])).astype(np.float32)
    y = rng.normal(size=(job.batch, job.sizes[-1])).astype(np.float32)
    target = y.argmax(1) if job.loss == "CrossEntropyLoss" else y
    model = lib.nn.Sequential(*layers(lib, job))
    model.load_state_dict({key: lib.from_numpy(array) for key, array in weights(job).items()})
    return {
        "model": model,
        "optimizer": job.optimizer(lib, model.parameters()),
        "criterion": getattr(lib.nn, job.loss)(),
        "x": lib.from_numpy(x),
        "y": lib.from_numpy(target),
    }


def require_same_learning(pair: list[dict[str, Any]], job: Job) -> None:
    """Three steps must give both libraries the same losses, or the duel compares different work."""
    losses = []
    for space in pair:
        history = []
        for _ in range(3):
            exec(STEP, space)
            history.append(space["criterion"](space["model"](space["x"]), space["y"]).item())
        losses.append(history)
    if not job.dropout and not np.allclose(*losses, rtol=1e-3):
        raise AssertionError(f"{job.name}: losses {losses[0]} and {losses[1]} differ")


def floor(job: Job, rates: harness.Rates) -> float:
    """Three products per layer (two in the first, whose input needs no gradient) and the parameters' traffic.

    A weight is read by the forward and by the backward product and its gradient is written once; the update
    adds its own passes. Activations are taken to stay in a cache.
    """
    products = sum(a * b for a, b in pairwise(job.sizes)) * 3 - job.sizes[0] * job.sizes[1]
    parameters = sum(a * b + b for a, b in pairwise(job.sizes))
    return rates.floor(2.0 * job.batch * products, 4.0 * parameters * (3 + job.passes))


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    rates = harness.measure_rates(libraries, suite.options.quick)
    for job in JOBS:
        pair = [names(lib, job) for lib in libraries]
        require_same_learning(pair, job)
        is_dense = min(job.sizes) * job.batch >= 1000
        suite.duel(job.name, STEP, *pair, floor=floor(job, rates) if is_dense else None)
    suite.value("rate of products", rates.flops / 1e9, "GFLOP/s", note=str(rates))


if __name__ == "__main__":
    harness.main("steps", fill)
