"""Models for the tests and measurements of budgets: each is made the same from the same seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import unspool as us
from unspool import Tensor, nn
from unspool.nn import functional as F


class Residual(nn.Module):
    """Two convolutions around which the input goes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return F.relu(x + self.second(F.relu(self.norm(self.first(x)))))


class Block(nn.Module):
    """Attention and a perceptron, each with a normalization before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixing, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to the same; two heads."""
        n, t, d = x.shape
        q, k, v = (
            each.reshape(n, t, 2, d // 2).transpose(1, 2) for each in self.mixing(self.before(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.dropout(self.out(mixed.transpose(1, 2).reshape(n, t, d)), 0.1)
        return x + self.narrow(F.gelu(self.wide(self.between(x))))


class Recurrent(nn.Module):
    """An LSTM cell that is unrolled, and a reading of its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.read = nn.LSTMCell(8, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, 8) to (N, 4)."""
        h, c = us.zeros(x.shape[0], 32), us.zeros(x.shape[0], 32)
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
        return self.read(h)


def _perceptron(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers)


def _convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 6 * 6, 10),
    )


CHAINS: dict[str, Callable[[], tuple[nn.Sequential, Tensor]]] = {
    "MLP": lambda: (_perceptron(32, 64, 64, 64, 10), us.randn(512, 32)),
    "deep MLP": lambda: (_perceptron(*[32] * 41), us.randn(64, 32)),
    "CNN": lambda: (_convolutions(), us.randn(24, 3, 12, 12)),
    "ResNet": lambda: (
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *(Residual(8) for _ in range(6))),
        us.randn(8, 3, 12, 12),
    ),
    "GPT": lambda: (nn.Sequential(*(Block(32) for _ in range(6))), us.randn(4, 24, 32)),
    "ragged": lambda: (
        _perceptron(48, 160, 16, 96, 200, 24, 24, 180, 40, 8, 120, 64, 10),
        us.randn(96, 48),
    ),
}

MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    **CHAINS,
    "LSTM": lambda: (Recurrent(), us.randn(16, 20, 8)),
    "wide MLP": lambda: (_perceptron(16, 128, 128, 128, 16), us.randn(1024, 16)),
    "deep GPT": lambda: (nn.Sequential(*(Block(16) for _ in range(12))), us.randn(4, 16, 16)),
    "ragged CNN": lambda: (
        nn.Sequential(
            nn.Conv2d(1, 12, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(12, 20, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(20, 6, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(6, 16, 3),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(144, 30),
            nn.Tanh(),
            nn.Linear(30, 5),
        ),
        us.randn(24, 1, 17, 17),
    ),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    """The model and its input, the same each time."""
    us.manual_seed(11)
    return MODELS[name]()
