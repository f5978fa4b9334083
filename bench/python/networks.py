"""The networks of the captured steps: once for both libraries, in NumPy and jax too where they are plain."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]


def sgd(lib: Any, parameters: Any, **more: Any) -> Any:
    return lib.optim.SGD(parameters, lr=0.01, **more)


def momentum(lib: Any, parameters: Any, **more: Any) -> Any:
    return lib.optim.SGD(parameters, lr=0.01, momentum=0.9, **more)


def adam(lib: Any, parameters: Any, **more: Any) -> Any:
    return lib.optim.Adam(parameters, lr=1e-3, **more)


def adamw(lib: Any, parameters: Any, **more: Any) -> Any:
    return lib.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, **more)


@dataclasses.dataclass(frozen=True)
class Plain:
    """A network of linear layers with one activation between them, for those who write it by hand."""

    sizes: tuple[int, ...]
    activation: str
    rule: str  # sgd, momentum, adam or adamw
    classes: bool  # cross-entropy instead of the mean squared error


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    model: Callable[[Any], Any]
    loss: Callable[[Any, Any, Any, Any], Any]  # library, model, batch, target
    batch: Callable[[], Arrays]
    optimizer: Callable[..., Any]
    plain: Plain | None = None
    is_random: bool = False
    flops: float = 0.0
    bytes: float = 0.0


def same_weights(lib: Any, model: Any) -> None:
    """The same values in any library: uniform, as wide as Xavier's rule asks for."""
    rng = np.random.default_rng(0)
    with lib.no_grad():
        for parameter in model.parameters():
            sizes = tuple(parameter.shape)
            if len(sizes) > 1:
                fan = sizes[0] + int(np.prod(sizes[1:]))
                bound = (6.0 / fan) ** 0.5
                values = rng.uniform(-bound, bound, sizes)
                parameter.copy_(lib.from_numpy(values.astype(np.float32)))


def linear_layers(lib: Any, sizes: tuple[int, ...], activation: str, dropout: float = 0.0) -> Any:
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [lib.nn.Linear(inputs, outputs), getattr(lib.nn, activation)()]
        if dropout:
            layers.append(lib.nn.Dropout(dropout))
    return lib.nn.Sequential(*layers[: -2 if dropout else -1])


def cross_entropy(lib: Any, model: Any, x: Any, y: Any) -> Any:
    return lib.nn.functional.cross_entropy(model(x), y)


def squares(lib: Any, model: Any, x: Any, y: Any) -> Any:
    return lib.nn.functional.mse_loss(model(x), y)


def per_token(lib: Any, model: Any, x: Any, y: Any) -> Any:
    return lib.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())


_OPTIMIZERS = {"sgd": sgd, "momentum": momentum, "adam": adam, "adamw": adamw}
_PASSES = {"sgd": 3, "momentum": 5, "adam": 7, "adamw": 7}  # of an update over memory of the parameters' size


def mlp(
    name: str,
    sizes: tuple[int, ...],
    activation: str,
    count: int,
    rule: str,
    classes: bool = False,
    dropout: float = 0.0,
) -> Job:
    def batch() -> Arrays:
        rng = np.random.default_rng(1)
        x = rng.normal(size=(count, sizes[0])).astype(np.float32)
        y = rng.normal(size=(count, sizes[-1])).astype(np.float32)
        return x, y.argmax(1) if classes else y

    products = sum(a * b for a, b in pairwise(sizes)) * 3 - sizes[0] * sizes[1]
    parameters = sum(a * b + b for a, b in pairwise(sizes))
    return Job(
        name,
        lambda lib: linear_layers(lib, sizes, activation, dropout),
        cross_entropy if classes else squares,
        batch,
        _OPTIMIZERS[rule],
        Plain(sizes, activation, rule, classes),
        dropout > 0,
        2.0 * count * products,
        4.0 * parameters * (3 + _PASSES[rule]),
    )


def lenet(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        *(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def resnet(lib: Any) -> Any:
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
            self.short = nn.Identity()
            if inputs != outputs:
                self.short = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            y = lib.relu(self.norms[0](self.first(x)))
            return lib.relu(self.norms[1](self.second(y)) + self.short(x))

    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )


def language_lstm(lib: Any) -> Any:
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.cells, self.head = nn.Embedding(96, 64), nn.LSTM(64, 128), nn.Linear(128, 96)

        def forward(self, x: Any) -> Any:
            return self.head(self.cells(self.embed(x))[0])

    return Model()


def gpt(lib: Any) -> Any:
    nn = lib.nn
    width, heads = 128, 4

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
            self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.inner = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            count, time, _ = x.shape
            parts = self.mix(self.norms[0](x)).split(width, 2)
            q, k, v = (part.view(count, time, heads, width // heads).transpose(1, 2) for part in parts)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(count, time, width))
            return x + self.inner(self.norms[1](x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(96, width), nn.Embedding(64, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 96, bias=False)

        def forward(self, x: Any) -> Any:
            hidden = self.token(x) + self.place(lib.arange(x.shape[1]))
            return self.head(self.norm(self.blocks(hidden)))

    return Model()


def images(count: int, channels: int, size: int) -> Callable[[], Arrays]:
    def batch() -> Arrays:
        rng = np.random.default_rng(1)
        x = rng.normal(size=(count, channels, size, size)).astype(np.float32)
        return x, rng.integers(0, 10, count)

    return batch


def tokens(*sizes: int) -> Callable[[], Arrays]:
    def batch() -> Arrays:
        rng = np.random.default_rng(1)
        return rng.integers(0, 96, sizes), rng.integers(0, 96, sizes)

    return batch


CLASSIFIER = (784, 512, 512, 10)
JOBS = (
    mlp("3-4-4-2 sigmoid, batch 5, SGD", (3, 4, 4, 2), "Sigmoid", 5, "sgd"),
    mlp("4-64-64-2 tanh, batch 64, Adam", (4, 64, 64, 2), "Tanh", 64, "adam"),
    mlp("64-256-256-1 relu, batch 256, Adam", (64, 256, 256, 1), "ReLU", 256, "adam"),
    mlp("784-512-512-10 relu, batch 128, momentum", CLASSIFIER, "ReLU", 128, "momentum", True),
    mlp("the same with dropout 0.2", CLASSIFIER, "ReLU", 128, "momentum", True, 0.2),
    mlp("500 x 32 tanh, batch 32, SGD", (32,) * 501, "Tanh", 32, "sgd"),
    mlp("4 x 2048 relu, batch 256, AdamW", (2048,) * 5, "ReLU", 256, "adamw"),
    Job("LeNet, batch 64, Adam", lenet, cross_entropy, images(64, 1, 28), adam),
    Job("small ResNet, batch 32, momentum", resnet, cross_entropy, images(32, 3, 32), momentum),
    Job("LSTM 64-128, T=32, batch 32, Adam", language_lstm, per_token, tokens(32, 32), adam),
    Job("GPT, 4 layers of 128, T=64, batch 8, AdamW", gpt, per_token, tokens(8, 64), adamw),
)


# ---- by hand ----


def plain_weights(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Those of same_weights, with zero biases where layers have their own: the caller copies them."""
    rng = np.random.default_rng(0)
    found = []
    for inputs, outputs in pairwise(sizes):
        bound = (6.0 / (inputs + outputs)) ** 0.5
        found.append(rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))
    return found


def _activation(name: str) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """The function, and its derivative from its value."""
    if name == "Tanh":
        return np.tanh, lambda a: 1 - a * a
    if name == "Sigmoid":
        return lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)
    return lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(np.float32)


def _biases(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Those that torch gives to layers after manual_seed(0), which the libraries share."""
    import torch

    torch.manual_seed(0)
    model = linear_layers(torch, sizes, "ReLU")
    return [layer.bias.detach().numpy().copy() for layer in model if hasattr(layer, "bias")]


def numpy_step(job: Job) -> dict[str, Any]:
    """Forward, backward and update as one would write them by hand."""
    plain = job.plain
    assert plain is not None
    x, y = job.batch()
    weights, biases = plain_weights(plain.sizes), _biases(plain.sizes)
    parameters = [*weights, *biases]
    f, slope = _activation(plain.activation)
    states = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    count = [0]

    def step(x: np.ndarray, y: np.ndarray) -> float:
        values = [x]
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = values[-1] @ w.T + b
            values.append(f(z) if i < len(weights) - 1 else z)
        out = values[-1]
        if plain.classes:
            shifted = out - out.max(1, keepdims=True)
            logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
            rows = np.arange(len(y))
            loss = -logs[rows, y].mean()
            g = np.exp(logs)
            g[rows, y] -= 1
            g /= len(y)
        else:
            difference = out - y
            loss = (difference * difference).mean()
            g = difference * np.float32(2 / difference.size)
        weight_grads, bias_grads = [], []
        for i in range(len(weights) - 1, -1, -1):
            weight_grads.append(g.T @ values[i])
            bias_grads.append(g.sum(0))
            if i:
                g = (g @ weights[i]) * slope(values[i])
        count[0] += 1
        _update(plain.rule, parameters, [*reversed(weight_grads), *reversed(bias_grads)], states, count[0])
        return float(loss)

    return {"step": step, "x": x, "y": y}


def _update(
    rule: str, parameters: list[np.ndarray], grads: list[np.ndarray], states: Any, count: int
) -> None:
    if rule == "sgd":
        for p, g in zip(parameters, grads, strict=True):
            p -= np.float32(0.01) * g
        return
    if rule == "momentum":
        for p, g, (v, _) in zip(parameters, grads, states, strict=True):
            v *= np.float32(0.9)
            v += g
            p -= np.float32(0.01) * v
        return
    rate = 1e-3 if rule == "adam" else 1e-4
    size, root = np.float32(rate / (1 - 0.9**count)), np.float32((1 - 0.999**count) ** 0.5)
    for p, g, (m, v) in zip(parameters, grads, states, strict=True):
        if rule == "adamw":
            p *= np.float32(1 - rate * 0.01)
        m *= np.float32(0.9)
        m += np.float32(0.1) * g
        v *= np.float32(0.999)
        v += np.float32(0.001) * g * g
        p -= size * m / (np.sqrt(v) / root + np.float32(1e-8))


def numpy_inference(sizes: tuple[int, ...], activation: str) -> dict[str, Any]:
    weights, biases = plain_weights(sizes), _biases(sizes)
    f, _ = _activation(activation)

    def infer(x: np.ndarray) -> np.ndarray:
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            x = x @ w.T + b
            if i < len(weights) - 1:
                x = f(x)
        return x

    return {"infer": infer, "x": np.random.default_rng(1).normal(size=(1, sizes[0])).astype(np.float32)}


def _jax_activation(jax: Any, name: str) -> Callable[[Any], Any]:
    return {"Tanh": jax.numpy.tanh, "Sigmoid": jax.nn.sigmoid, "ReLU": jax.nn.relu}[name]


def jax_inference(sizes: tuple[int, ...], activation: str) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    f = _jax_activation(jax, activation)

    def forward(weights: list[Any], biases: list[Any], x: Any) -> Any:
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            x = x @ w.T + b
            if i < len(weights) - 1:
                x = f(x)
        return x

    jitted = jax.jit(forward)
    weights = [jnp.asarray(w) for w in plain_weights(sizes)]
    biases = [jnp.asarray(b) for b in _biases(sizes)]
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1, sizes[0])).astype(np.float32))
    return {"infer": lambda x: jitted(weights, biases, x).block_until_ready(), "x": x}


def jax_step(job: Job) -> dict[str, Any]:
    """The same with jax.grad under one jax.jit, parameters and states donated."""
    import jax
    import jax.numpy as jnp

    plain = job.plain
    assert plain is not None
    jax.config.update("jax_platforms", "cpu")
    x, y = job.batch()
    f = _jax_activation(jax, plain.activation)
    parameters = [jnp.asarray(each) for each in [*plain_weights(plain.sizes), *_biases(plain.sizes)]]
    layers = len(plain.sizes) - 1

    def loss_of(parameters: list[Any], x: Any, y: Any) -> Any:
        for i in range(layers):
            x = x @ parameters[i].T + parameters[layers + i]
            if i < layers - 1:
                x = f(x)
        if plain.classes:
            return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()
        return ((x - y) ** 2).mean()

    def update(p: Any, g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
        if plain.rule == "sgd":
            return p - 0.01 * g, m, v
        if plain.rule == "momentum":
            m = 0.9 * m + g
            return p - 0.01 * m, m, v
        rate = 1e-3 if plain.rule == "adam" else 1e-4
        p = p * (1 - rate * 0.01) if plain.rule == "adamw" else p
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p - rate / (1 - 0.9**t) * m / (jnp.sqrt(v) / jnp.sqrt(1 - 0.999**t) + 1e-8), m, v

    def whole(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        parameters, first, second, t = state
        loss, grads = jax.value_and_grad(loss_of)(parameters, x, y)
        new = [update(*each, t + 1) for each in zip(parameters, grads, first, second, strict=True)]
        return ([n[0] for n in new], [n[1] for n in new], [n[2] for n in new], t + 1), loss

    jitted = jax.jit(whole, donate_argnums=0)
    zeros = [jnp.zeros_like(p) for p in parameters]
    state = [(parameters, zeros, [jnp.zeros_like(p) for p in parameters], jnp.float32(0))]

    def step(x: Any, y: Any) -> Any:
        state[0], loss = jitted(state[0], x, y)
        return loss.block_until_ready()

    return {"step": step, "x": jnp.asarray(x), "y": jnp.asarray(y)}
