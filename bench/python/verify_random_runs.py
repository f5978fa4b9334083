"""Random right programs under verify(), and how many false alarms there are.

Each run builds a network and a loss at random (layers, activations, kinks and ties from rounded
inputs, dropout, integer inputs, changes in place, views, hooks that only look, custom Functions, second
derivatives; float32 or float64) and takes one training step. 10,000 runs take about half an hour on one core:

    python bench/python/verify_random_runs.py --runs 10000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import unspool as us
import unspool.nn.functional as F
from unspool import nn
from unspool.autograd import Function

ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Softplus, nn.Hardtanh, nn.ReLU6,
    nn.Hardswish, nn.Softsign, nn.LogSigmoid, nn.Mish, nn.Softshrink, nn.CELU, nn.PReLU,
)  # fmt: skip


class Affine(Function):
    """x·wᵀ + b, by hand."""

    @staticmethod
    def forward(ctx: Any, x: us.Tensor, w: us.Tensor, b: us.Tensor) -> us.Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.t() + b

    @staticmethod
    def backward(ctx: Any, g: us.Tensor) -> tuple[us.Tensor, ...]:
        x, w = ctx.saved_tensors
        return g @ w, g.t() @ x, g.sum(0)


class ByHand(nn.Linear):
    """A linear layer whose derivative is written out."""

    def forward(self, input: us.Tensor) -> us.Tensor:
        """Maps (batch, in) to (batch, out)."""
        return Affine.apply(input, self.weight, self.bias)  # type: ignore[no-any-return]


class InPlace(nn.Module):
    """Changes a copy of its input, also through views."""

    def forward(self, x: us.Tensor) -> us.Tensor:
        """Maps (batch, n) to the same shape."""
        y = x * 1
        y[:, 0].mul_(x[:, -1])
        y[0] = 0.5
        return y.add_(x).relu_()


def vector_layer(rng: np.random.Generator, size: int) -> tuple[list[nn.Module], int]:
    """Give layers from (batch, size) to (batch, new size)."""
    width = int(rng.integers(1, 9))
    kinds: list[tuple[list[nn.Module], int]] = [
        ([nn.Linear(size, width, bias=bool(rng.integers(2)))], width),
        ([ByHand(size, width)], width),
        ([nn.LayerNorm(size)], size),
        ([nn.BatchNorm1d(size)], size),
        ([nn.Dropout(float(rng.uniform(0.1, 0.9)))], size),
        ([ACTIVATIONS[rng.integers(len(ACTIVATIONS))]()], size),
        ([nn.Softmax(1)], size),
        ([InPlace()], size),
        ([nn.Elementwise(lambda z: z * z, lambda z: 2 * z)], size),
    ]
    return kinds[rng.integers(len(kinds))]


def vectors(rng: np.random.Generator) -> tuple[nn.Module, us.Tensor]:
    """Make a network of layers over vectors, and its input."""
    size, batch = int(rng.integers(1, 9)), int(rng.integers(2, 7))
    x = us.randn(batch, size)
    layers: list[nn.Module] = []
    for _ in range(rng.integers(1, 7)):
        added, size = vector_layer(rng, size)
        layers += added
    return nn.Sequential(*layers, nn.Linear(size, 3)), x


def images(rng: np.random.Generator) -> tuple[nn.Module, us.Tensor]:
    """Make a convolutional network, and its input."""
    channels = int(rng.integers(1, 4))
    pool = (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveMaxPool2d(2))[rng.integers(3)]
    norm = (nn.BatchNorm2d(channels), nn.InstanceNorm2d(channels), nn.GroupNorm(1, channels), nn.Identity())
    layers = [
        nn.Conv2d(2, channels, 3, padding=int(rng.integers(2)), stride=int(rng.integers(1, 3))),
        norm[rng.integers(4)],
        ACTIVATIONS[rng.integers(len(ACTIVATIONS))](),
        pool,
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3)), us.randn(2, 2, 8, 7)


class Sequences(nn.Module):
    """Words to classes, by a recurrent layer or by attention."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4, padding_idx=int(rng.integers(7)) if rng.integers(2) else None)
        self.cell: nn.Module | None = None
        if rng.integers(3):
            self.cell = (nn.LSTM, nn.GRU, nn.RNN)[rng.integers(3)](4, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, words: us.Tensor) -> us.Tensor:
        """Maps (batch, time) indices to (batch, 3)."""
        x = self.embedding(words)
        if self.cell is None:
            x = x + F.scaled_dot_product_attention(x, x, x, is_causal=True)
        else:
            x = self.cell(x)[0]
        return self.head(x[:, -1])  # type: ignore[no-any-return]


def loss_of(rng: np.random.Generator, output: us.Tensor) -> us.Tensor:
    """Give a single number."""
    classes = us.randint(0, 3, (output.shape[0],))
    target = us.randn_like(output)
    losses: tuple[Callable[[], us.Tensor], ...] = (
        lambda: F.cross_entropy(output, classes),
        lambda: F.mse_loss(output, target),
        lambda: F.l1_loss(output, target),
        lambda: F.smooth_l1_loss(output, target),
        lambda: F.multi_margin_loss(output, classes),
        lambda: F.binary_cross_entropy_with_logits(output, (target > 0).to(output.dtype)),
        lambda: F.nll_loss(F.log_softmax(output, 1), classes),
        lambda: 0.5 * ((output - target) ** 2).sum(1).mean(),
        lambda: output.amax(1).sum() + output.std(),
        lambda: us.logsumexp(output, 1).mean() + output.norm(),
        lambda: output.sort(1).values[:, 0].abs().sum(),
        lambda: us.where(output > 0, output, output * 0.1).prod(1).sum(),
        lambda: (output.clamp(-0.5, 0.5) * output.cumsum(1)).mean(),
    )
    return losses[rng.integers(len(losses))]()


def step(seed: int) -> int:
    """Take one verified training step of a random program; give the number of gradients compared."""
    rng = np.random.default_rng(seed)
    us.manual_seed(seed)
    us.set_default_dtype((us.float32, us.float64)[rng.integers(2)])
    kind = rng.integers(4)
    if kind == 0:
        model, x = images(rng)
    elif kind == 1:
        model, x = Sequences(rng), us.randint(0, 7, (3, 4))
    else:
        model, x = vectors(rng)
    if x.is_floating_point():
        if rng.integers(2):
            x = us.round(x * 2) / 2  # zeros and ties
        x.requires_grad_(bool(rng.integers(2)))
    model(x)  # shapes of lazy layers
    model.train(bool(rng.integers(4)))
    if rng.integers(3) == 0:
        model.register_full_backward_hook(lambda *_: None)
    optimizer = us.optim.SGD(model.parameters(), 0.1)
    with us.verify(seed=seed) as verifier:
        loss = loss_of(rng, model(x))
        if rng.integers(5) == 0 and not isinstance(model, Sequences):
            weight = list(model.parameters())[-1]
            (slope,) = us.autograd.grad(loss, weight, create_graph=True)
            loss = loss + (slope**2).sum()
        loss.backward()
        optimizer.step()
    return verifier.checked


def run(runs: int, first: int = 0) -> tuple[int, list[str]]:
    """Take steps of many programs: the number of gradients compared, and what was raised."""
    before = us.get_default_dtype()
    checked, alarms = 0, []
    try:
        for seed in range(first, first + runs):
            try:
                checked += step(seed)
            except us.GradientError as error:
                alarms.append(f"seed {seed}: {error}")
    finally:
        us.set_default_dtype(before)
    return checked, alarms


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit status is 1 after a false alarm."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    chosen = parser.parse_args(arguments)
    start = time.perf_counter()
    checked, alarms = run(chosen.runs, chosen.first)
    for alarm in alarms:
        print(alarm)
    seconds = time.perf_counter() - start
    print(f"{chosen.runs} runs, {checked} gradients compared, {len(alarms)} false alarms, {seconds:.0f} s")
    return 1 if alarms else 0


if __name__ == "__main__":
    raise SystemExit(main())
