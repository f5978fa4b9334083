"""Networks outside of the table of captured steps: what else people train, small, for both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import image_networks as images
import networks
import numpy as np
from networks import Arrays, Job, cross_entropy, squares


def normal(*sizes: tuple[int, ...]) -> Callable[[], Arrays]:
    """Inputs and targets of a regression."""

    def batch() -> Arrays:
        rng = np.random.default_rng(1)
        x, y = (rng.normal(size=size).astype(np.float32) for size in sizes)
        return x, y

    return batch


def labelled(size: tuple[int, ...], classes: int, values: int = 0) -> Callable[[], Arrays]:
    """Inputs, numbers or indices below ``values``, with a class for each."""

    def batch() -> Arrays:
        rng = np.random.default_rng(1)
        x = rng.integers(0, values, size) if values else rng.normal(size=size).astype(np.float32)
        return x, rng.integers(0, classes, size[0])

    return batch


def with_logits(lib: Any, model: Any, x: Any, y: Any) -> Any:
    return lib.nn.functional.binary_cross_entropy_with_logits(model(x), lib.sigmoid(y))


# ---- sequences ----


def dilated(lib: Any) -> Any:
    nn = lib.nn
    layers: list[Any] = []
    for i, inputs in enumerate((8, 25, 25, 25)):
        layers += [nn.Conv1d(inputs, 25, 7, padding=3 * 2**i, dilation=2**i), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(25, 1))


def gated(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv1d(1, 32, 1), nn.Conv1d(32, 1, 1)
            self.gates = nn.ModuleList([nn.Conv1d(32, 64, 3, dilation=2**i, padding=2**i) for i in range(5)])
            self.mixes = nn.ModuleList([nn.Conv1d(32, 32, 1) for _ in range(5)])

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            total = 0
            for gate, mix in zip(self.gates, self.mixes, strict=True):
                value, weight = gate(x).chunk(2, 1)
                y = mix(lib.tanh(value) * lib.sigmoid(weight))
                x, total = x + y, total + y
            return self.last(lib.relu(total))

    return Model()


def recurrent(kind: str, inputs: int, width: int, **how: Any) -> Callable[[Any], Any]:
    """A recurrent layer, and five classes from its last output."""

    def model(lib: Any) -> Any:
        class Model(lib.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.cells = getattr(lib.nn, kind)(inputs, width, batch_first=True, **how)
                self.head = lib.nn.Linear(width * (2 if how.get("bidirectional") else 1), 5)

            def forward(self, x: Any) -> Any:
                return self.head(self.cells(x)[0][:, -1])

        return Model()

    return model


def cell_by_cell(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTMCell(16, 64), nn.Linear(64, 5)

        def forward(self, x: Any) -> Any:
            state = lib.zeros(x.shape[0], 64), lib.zeros(x.shape[0], 64)
            for t in range(x.shape[1]):
                state = self.cell(x[:, t], state)
            return self.head(state[0])

    return Model()


def words(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(5000, 100), nn.Linear(192, 2)
            self.windows = nn.ModuleList([nn.Conv1d(100, 64, size) for size in (3, 4, 5)])

        def forward(self, x: Any) -> Any:
            x = self.embed(x).transpose(1, 2)
            return self.head(lib.cat([lib.relu(window(x)).amax(2) for window in self.windows], 1))

    return Model()


def encoder(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(64, 4, 128, 0.1, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(64, 5)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x).mean(1))

    return Model()


def patches(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(3, 128, 4, 4)
            self.token = nn.Parameter(lib.zeros(1, 1, 128))
            self.place = nn.Parameter(lib.zeros(1, 65, 128))
            layer = nn.TransformerEncoderLayer(128, 4, 256, 0.0, "gelu", batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
            self.head = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = lib.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
            return self.head(self.encoder(x)[:, 0])

    return Model()


def mixer(lib: Any) -> Any:
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(128), nn.LayerNorm(128)])
            self.places = nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 64))
            self.features = nn.Sequential(nn.Linear(128, 256), nn.GELU(), nn.Linear(256, 128))

        def forward(self, x: Any) -> Any:
            x = x + self.places(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
            return x + self.features(self.norms[1](x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(nn.Linear(48, 128), Block(), Block(), Block())
            self.head = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(x).mean(1))

    return Model()


# ---- tables, graphs, equations, decisions ----


def normed(lib: Any) -> Any:
    nn = lib.nn
    layers: list[Any] = []
    for inputs in (100, 256):
        layers += [nn.Linear(inputs, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(256, 1))


def layer_normed(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        *(layer for _ in range(6) for layer in (nn.LayerNorm(512), nn.Linear(512, 512), nn.GELU()))
    )


def variational(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.mean, self.spread = (nn.Linear(784, 400), *(nn.Linear(400, 20) for _ in "12"))
            self.decode = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            hidden = lib.relu(self.encode(x))
            mean, spread = self.mean(hidden), self.spread(hidden)
            return self.decode(mean + lib.randn_like(mean) * lib.exp(0.5 * spread)), mean, spread

    return Model()


def evidence(lib: Any, model: Any, x: Any, _y: Any) -> Any:
    x = lib.sigmoid(x)
    decoded, mean, spread = model(x)
    error = lib.nn.functional.binary_cross_entropy(decoded, x, reduction="sum")
    return error - 0.5 * lib.sum(1 + spread - mean.pow(2) - spread.exp())


def recommender(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList([nn.Embedding(10_000, 16) for _ in range(8)])
            self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))

        def forward(self, x: Any) -> Any:
            return self.head(lib.cat([table(x[:, i]) for i, table in enumerate(self.tables)], 1))

    return Model()


def messages(lib: Any) -> Any:
    nn = lib.nn
    ends = lib.from_numpy(np.random.default_rng(4).integers(0, 500, (2, 2000)))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.edge, self.node, self.head = nn.Linear(128, 64), nn.Linear(64, 64), nn.Linear(64, 7)

        def forward(self, x: Any) -> Any:
            for _ in range(2):
                sent = lib.relu(self.edge(lib.cat([x[ends[0]], x[ends[1]]], 1)))
                x = lib.relu(self.node(lib.zeros_like(x).index_add(0, ends[1], sent)))
            return self.head(x)

    return Model()


def burgers(lib: Any, model: Any, x: Any, _y: Any) -> Any:
    """The residual of Burgers' equation: second derivatives by the input inside of the loss."""
    x = x.detach().requires_grad_(True)
    u = model(x)
    (first,) = lib.autograd.grad(u.sum(), x, create_graph=True)
    (second,) = lib.autograd.grad(first[:, 0].sum(), x, create_graph=True)
    return ((first[:, 1:] + u * first[:, :1] - 0.01 * second[:, :1]) ** 2).mean()


def waves(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 256), nn.Linear(256, 256), nn.Linear(256, 256)])
            self.head = nn.Linear(256, 1)

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = lib.sin(layer(x))
            return self.head(x)

    return Model()


def couplings(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = [networks.linear_layers(lib, (1, 64, 64, 1), "ReLU") for _ in range(12)]
            self.scales, self.shifts = nn.ModuleList(pairs[:6]), nn.ModuleList(pairs[6:])

        def forward(self, x: Any) -> Any:
            kept, changed, volume = x[:, :1], x[:, 1:], 0
            for scale, shift in zip(self.scales, self.shifts, strict=True):
                log = lib.tanh(scale(kept))
                kept, changed, volume = changed * lib.exp(log) + shift(kept), kept, volume + log
            return lib.cat([kept, changed], 1), volume

    return Model()


def likelihood(_lib: Any, model: Any, x: Any, _y: Any) -> Any:
    z, volume = model(x)
    return (0.5 * (z**2).sum(1, keepdim=True) - volume).mean()


def actor_and_critic(lib: Any) -> Any:
    heads = [networks.linear_layers(lib, (8, 64, 64, outputs), "Tanh") for outputs in (4, 1)]
    return lib.nn.ModuleList(heads)


def proximal(lib: Any, model: Any, x: Any, y: Any) -> Any:
    """The clipped objective of PPO, with a made-up advantage for each sample."""
    logs = lib.log_softmax(model[0](x), -1)
    chosen = logs.gather(1, y[:, None])[:, 0]
    advantage, ratio = x[:, 0], (chosen - chosen.detach()).exp()
    gain = lib.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
    value = ((model[1](x)[:, 0] - x[:, 1]) ** 2).mean()
    return 0.5 * value - gain + 0.01 * (logs.exp() * logs).sum(-1).mean()


def basis(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            hidden = (50, 256, 256, 256, 256)
            self.blocks = nn.ModuleList([networks.linear_layers(lib, hidden, "ReLU") for _ in range(4)])
            self.past = nn.ModuleList([nn.Linear(256, 50) for _ in range(4)])
            self.future = nn.ModuleList([nn.Linear(256, 10) for _ in range(4)])

        def forward(self, x: Any) -> Any:
            forecast = 0
            for block, past, future in zip(self.blocks, self.past, self.future, strict=True):
                hidden = lib.relu(block(x))
                x, forecast = x - past(hidden), forecast + future(hidden)
            return forecast

    return Model()


def burgers_net(lib: Any) -> Any:
    return networks.linear_layers(lib, (2, 50, 50, 50, 50, 1), "Tanh")


IMAGES = (3, 32, 32)
JOBS = (
    Job(
        "bottleneck ResNet, batch 16",
        images.bottlenecks,
        cross_entropy,
        labelled((16, *IMAGES), 10),
        networks.momentum,
    ),
    Job("MobileNet, batch 16", images.mobile, cross_entropy, labelled((16, *IMAGES), 10), networks.momentum),
    Job(
        "ResNet, group norm, batch 8",
        images.group_normed,
        cross_entropy,
        labelled((8, *IMAGES), 10),
        networks.momentum,
    ),
    Job(
        "VGG, batch 16", images.vgg, cross_entropy, labelled((16, *IMAGES), 10), networks.adam, is_random=True
    ),
    Job("ConvNeXt, batch 8", images.convnext, cross_entropy, labelled((8, *IMAGES), 10), networks.adamw),
    Job("DQN for 4x84x84, batch 32", images.atari, squares, normal((32, 4, 84, 84), (32, 6)), networks.adam),
    Job(
        "U-Net 1x32x32, batch 8", images.unet, squares, normal((8, 1, 32, 32), (8, 1, 32, 32)), networks.adam
    ),
    Job(
        "DCGAN generator, batch 16",
        images.generator,
        squares,
        normal((16, 64, 1, 1), (16, *IMAGES)),
        networks.adam,
    ),
    Job(
        "DCGAN discriminator, batch 16",
        images.discriminator,
        with_logits,
        normal((16, *IMAGES), (16, 1)),
        networks.adam,
    ),
    Job(
        "autoencoder 1x28x28, batch 64",
        images.autoencoder,
        squares,
        normal((64, 1, 28, 28), (64, 1, 28, 28)),
        networks.adam,
    ),
    Job(
        "3-d convolutions, batch 8",
        images.volumes,
        cross_entropy,
        labelled((8, 1, 16, 16, 16), 5),
        networks.adam,
    ),
    Job(
        "TCN, 256 steps, batch 16",
        dilated,
        squares,
        normal((16, 8, 256), (16, 1)),
        networks.adam,
        is_random=True,
    ),
    Job("WaveNet, 1024 samples, batch 4", gated, squares, normal((4, 1, 1024), (4, 1, 1024)), networks.adam),
    Job(
        "GRU 32-64, T=50, batch 32",
        recurrent("GRU", 32, 64),
        cross_entropy,
        labelled((32, 50, 32), 5),
        networks.adam,
    ),
    Job(
        "LSTM 28-128-128, T=28, batch 64",
        recurrent("LSTM", 28, 128, num_layers=2),
        cross_entropy,
        labelled((64, 28, 28), 5),
        networks.adam,
    ),
    Job(
        "bidirectional LSTM 50-64, T=20, batch 16",
        recurrent("LSTM", 50, 64, bidirectional=True),
        cross_entropy,
        labelled((16, 20, 50), 5),
        networks.adam,
    ),
    Job(
        "LSTM 256-512, T=16, batch 16",
        recurrent("LSTM", 256, 512),
        cross_entropy,
        labelled((16, 16, 256), 5),
        networks.adam,
    ),
    Job("LSTM cells, T=20, batch 32", cell_by_cell, cross_entropy, labelled((32, 20, 16), 5), networks.adam),
    Job(
        "convolutions over words, batch 32", words, cross_entropy, labelled((32, 60), 2, 5000), networks.adam
    ),
    Job(
        "transformer encoder, T=50, batch 16",
        encoder,
        cross_entropy,
        labelled((16, 50, 64), 5),
        networks.adam,
        is_random=True,
    ),
    Job("vision transformer, batch 16", patches, cross_entropy, labelled((16, *IMAGES), 10), networks.adamw),
    Job("MLP-Mixer, batch 16", mixer, cross_entropy, labelled((16, 64, 48), 10), networks.adam),
    Job(
        "batch norm 100-256-256-1, batch 256",
        normed,
        squares,
        normal((256, 100), (256, 1)),
        networks.adam,
        is_random=True,
    ),
    Job(
        "layer norm 6 x 512 gelu, batch 512",
        layer_normed,
        squares,
        normal((512, 512), (512, 512)),
        networks.adamw,
    ),
    Job(
        "VAE 784-400-20, batch 128",
        variational,
        evidence,
        normal((128, 784), (1,)),
        networks.adam,
        is_random=True,
    ),
    Job(
        "8 tables of 10,000 x 16, batch 512",
        recommender,
        cross_entropy,
        labelled((512, 8), 2, 10_000),
        networks.adam,
    ),
    Job("messages on a graph of 500 nodes", messages, cross_entropy, labelled((500, 64), 7), networks.adam),
    Job("Burgers' equation, 1000 points", burgers_net, burgers, normal((1000, 2), (1,)), networks.adam),
    Job("SIREN 2-256-256-256-1, 4096 points", waves, squares, normal((4096, 2), (4096, 1)), networks.adam),
    Job("RealNVP, 6 couplings, batch 256", couplings, likelihood, normal((256, 2), (1,)), networks.adam),
    Job("PPO 8-64-64, batch 64", actor_and_critic, proximal, labelled((64, 8), 4), networks.adam),
    Job("N-BEATS, 4 blocks of 256, batch 256", basis, squares, normal((256, 50), (256, 10)), networks.adam),
    networks.mlp("8-16-1 relu, batch 1, SGD", (8, 16, 1), "ReLU", 1, "sgd"),
    networks.mlp("1024-1024-1024-10 relu, batch 64, Adam", (1024, 1024, 1024, 10), "ReLU", 64, "adam", True),
)
