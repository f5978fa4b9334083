"""Modules in pure NumPy: for each, how it is built, what it is given and the formula of what it returns.

`CASES` is what tests/test_nn_modules.py goes through. Formulas that an operation's row has too are taken from
there; a module's case adds that its constructor's arguments reach the operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .activations import celu, elu, gelu, glu, log_softmax, prelu, selu, softmax, softplus
from .linalg import linear
from .losses import (
    binary_cross_entropy,
    cosine_similarity,
    cross_entropy,
    gaussian,
    kl_div,
    multi_margin_loss,
    nll_loss,
    poisson,
    reduce,
    smooth_l1,
    with_logits,
)
from .normalization import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .transcendental import sigmoid

Array = npt.NDArray[Any]
Inputs = Callable[[np.random.Generator], tuple[Array, ...]]


def bilinear(x: Array, y: Array, weight: Array, bias: Array | None = None) -> Array:
    """x^T A_k y + b_k for every k."""
    result = np.einsum("...i,kij,...j->...k", x, weight, y)
    return np.asarray(result if bias is None else result + bias)


def pairwise_distance(x: Array, y: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """The p-norm of x - y + eps along the last dimension."""
    return np.asarray((np.abs(x - y + eps) ** p).sum(axis=-1, keepdims=keepdim) ** (1 / p))


def hinge_embedding(x: Array, y: Array, margin: float = 1.0) -> Array:
    """x for y = 1, max(0, margin - x) for y = -1."""
    return np.asarray(np.where(y == 1, x, np.maximum(0.0, margin - x)))


def triplet(
    a: Array,
    p: Array,
    n: Array,
    margin: float = 1.0,
    norm: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
) -> Array:
    """Balntas et al. 2016, equations 3 and 4."""
    near, far = pairwise_distance(a, p, norm, eps), pairwise_distance(a, n, norm, eps)
    if swap:
        far = np.minimum(far, pairwise_distance(p, n, norm, eps))
    return np.asarray(np.maximum(near - far + margin, 0.0))


def cosine_embedding(x: Array, y: Array, t: Array, margin: float = 0.0) -> Array:
    """1 - cos for t = 1, max(0, cos - margin) for t = -1."""
    cosine = cosine_similarity(x, y, dim=-1)
    return np.asarray(np.where(t == 1, 1 - cosine, np.maximum(0.0, cosine - margin)))


def multilabel_soft_margin(x: Array, t: Array, weight: Array | float = 1.0) -> Array:
    """Mean over the classes of the binary cross-entropy of sigmoid(x)."""
    return np.asarray(with_logits(x, t, weight).mean(axis=-1))


@dataclass(frozen=True)
class Case:
    """One module with one set of arguments.

    `formula` is given the inputs and then the module's parameters, in order of registration. `grad` are the
    positions of the inputs that get a gradient; a module whose formula has corners draws inputs away from
    them.
    """

    module: str
    formula: Callable[..., Array]
    inputs: Inputs
    options: dict[str, Any] = field(default_factory=dict)
    grad: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        return f"{self.module}({', '.join(f'{k}={v}' for k, v in self.options.items())})"


def normal(*shapes: tuple[int, ...]) -> Inputs:
    """Standard normal inputs of these shapes."""
    return lambda random: tuple(np.asarray(random.standard_normal(shape)) for shape in shapes)


def off_corners(*corners: float, shape: tuple[int, ...] = (4, 6), scale: float = 2.0) -> Inputs:
    """One normal input, no element of which is within 0.02 of a corner."""

    def draw(random: np.random.Generator) -> tuple[Array, ...]:
        x = np.asarray(random.standard_normal(shape) * scale)
        for corner in corners:
            x = np.where(np.abs(x - corner) < 0.02, corner + 0.05, x)
        return (x,)

    return draw


def with_signs(inputs: Inputs, shape: tuple[int, ...]) -> Inputs:
    """The inputs and a tensor of 1 and -1."""
    return lambda random: (*inputs(random), random.choice([-1.0, 1.0], shape))


def scores(shape: tuple[int, ...], target: tuple[int, ...], classes: int) -> Inputs:
    """Scores, and classes as integers."""
    return lambda random: (random.standard_normal(shape), random.integers(0, classes, target))


def _activations() -> list[Case]:
    smooth = normal((4, 6))
    plain = {
        "Sigmoid": sigmoid,
        "Tanh": np.tanh,
        "SiLU": lambda x: x * sigmoid(x),
        "Mish": lambda x: x * np.tanh(softplus(x)),
        "LogSigmoid": lambda x: -np.logaddexp(0.0, -x),
        "Softsign": lambda x: x / (1 + np.abs(x)),
        "Tanhshrink": lambda x: x - np.tanh(x),
    }
    cases = [Case(name, formula, smooth) for name, formula in plain.items()]
    cases += [
        Case("Identity", lambda x: x, smooth, {"size": 3}),
        Case("ReLU", lambda x: np.maximum(x, 0), off_corners(0.0)),
        Case("ReLU6", lambda x: np.clip(x, 0, 6), off_corners(0.0, 6.0, scale=6.0)),
        Case(
            "Threshold",
            lambda x: np.where(x > 0.5, x, 3.0),
            off_corners(0.5),
            {"threshold": 0.5, "value": 3.0},
        ),
        Case("Hardtanh", lambda x: np.clip(x, -1, 1), off_corners(-1.0, 1.0)),
        Case(
            "Hardtanh",
            lambda x: np.clip(x, -2, 0.5),
            off_corners(-2.0, 0.5),
            {"min_val": -2.0, "max_val": 0.5},
        ),
        Case("Hardsigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), off_corners(-3.0, 3.0, scale=4.0)),
        Case("Hardswish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), off_corners(-3.0, 3.0, scale=4.0)),
        Case("ELU", elu, off_corners(0.0)),
        Case("ELU", lambda x: elu(x, 0.7), off_corners(0.0), {"alpha": 0.7}),
        Case("CELU", lambda x: celu(x, 0.7), off_corners(0.0), {"alpha": 0.7}),
        Case("SELU", selu, off_corners(0.0)),
        Case("GELU", gelu, smooth),
        Case("GELU", lambda x: gelu(x, "tanh"), smooth, {"approximate": "tanh"}),
        Case("GLU", glu, smooth),
        Case("GLU", lambda x: glu(x, 0), smooth, {"dim": 0}),
        Case(
            "Hardshrink", lambda x: np.where(np.abs(x) > 0.7, x, 0.0), off_corners(-0.7, 0.7), {"lambd": 0.7}
        ),
        Case(
            "Softshrink",
            lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.7, 0),
            off_corners(-0.7, 0.7),
            {"lambd": 0.7},
        ),
        Case("LeakyReLU", lambda x: np.where(x > 0, x, 0.01 * x), off_corners(0.0)),
        Case("LeakyReLU", lambda x: np.where(x > 0, x, 0.3 * x), off_corners(0.0), {"negative_slope": 0.3}),
        Case("Softplus", softplus, smooth),
        Case("Softplus", lambda x: softplus(x, 2.0, 1.0), off_corners(0.5), {"beta": 2.0, "threshold": 1.0}),
        Case("PReLU", prelu, off_corners(0.0)),
        Case("PReLU", prelu, off_corners(0.0, shape=(2, 3, 4)), {"num_parameters": 3, "init": 0.1}),
        Case("Softmax", lambda x: softmax(x, 1), smooth, {"dim": 1}),
        Case("Softmin", lambda x: softmax(-x, 0), smooth, {"dim": 0}),
        Case("LogSoftmax", lambda x: log_softmax(x, -1), smooth, {"dim": -1}),
        Case("Softmax2d", lambda x: softmax(x, -3), normal((2, 3, 4, 2))),
    ]
    return cases


def _layers() -> list[Case]:
    return [
        Case("Linear", linear, normal((5, 3)), {"in_features": 3, "out_features": 4}),
        Case("Linear", linear, normal((3,)), {"in_features": 3, "out_features": 4, "bias": False}),
        Case("Linear", linear, normal((2, 5, 3)), {"in_features": 3, "out_features": 1}),
        Case("Linear", linear, normal((0, 3)), {"in_features": 3, "out_features": 4}),
        Case(
            "Bilinear",
            bilinear,
            normal((5, 3), (5, 2)),
            {"in1_features": 3, "in2_features": 2, "out_features": 4},
            (0, 1),
        ),
        Case("Flatten", lambda x: x.reshape(2, -1), normal((2, 3, 4))),
        Case("Flatten", lambda x: x.reshape(6, 4), normal((2, 3, 4)), {"start_dim": 0, "end_dim": 1}),
        Case(
            "Unflatten", lambda x: x.reshape(2, 3, 2), normal((2, 6)), {"dim": 1, "unflattened_size": (3, -1)}
        ),
        Case("Sum", lambda x, y: x + y, normal((4, 3), (3,)), grad=(0, 1)),
        Case("Product", lambda x, y, z: x * y * z, normal((4, 3), (4, 3), (3,)), grad=(0, 1, 2)),
        Case("PairwiseDistance", pairwise_distance, normal((4, 3), (4, 3)), grad=(0, 1)),
        Case(
            "PairwiseDistance",
            lambda x, y: pairwise_distance(x, y, 3.0, 1e-3, True),
            normal((4, 3), (4, 3)),
            {"p": 3.0, "eps": 1e-3, "keepdim": True},
            (0, 1),
        ),
        Case("CosineSimilarity", cosine_similarity, normal((4, 3), (4, 3)), grad=(0, 1)),
        Case(
            "CosineSimilarity",
            lambda x, y: cosine_similarity(x, y, 0),
            normal((4, 3), (4, 3)),
            {"dim": 0},
            (0, 1),
        ),
    ]


def local_response(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """Krizhevsky et al. 2012, section 3.3, the window reaching size // 2 channels down."""
    channels = x.shape[1]
    total = np.zeros_like(x)
    for c in range(channels):
        low = max(0, c - size // 2)
        total[:, c] = (x[:, low : c - size // 2 + size] ** 2).sum(axis=1)
    return np.asarray(x / (k + alpha / size * total) ** beta)


def _batches(x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
    return batch_norm(x, None, None, weight, bias, True)


def _instances(x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
    return instance_norm(x, None, None, weight, bias)


def _normalizations() -> list[Case]:
    shapes = {"1d": (4, 3, 5), "2d": (3, 3, 2, 4), "3d": (2, 3, 2, 2, 3)}
    cases = [Case(f"BatchNorm{d}", _batches, normal(s), {"num_features": 3}) for d, s in shapes.items()]
    cases += [Case(f"InstanceNorm{d}", _instances, normal(s), {"num_features": 3}) for d, s in shapes.items()]
    return [
        *cases,
        Case("BatchNorm1d", _batches, normal((6, 3)), {"num_features": 3, "affine": False}),
        Case("BatchNorm1d", _batches, normal((6, 3)), {"num_features": 3, "bias": False, "momentum": None}),
        Case("SyncBatchNorm", _batches, normal((6, 3)), {"num_features": 3}),
        Case("InstanceNorm1d", lambda x: _instances(x[None])[0], normal((3, 5)), {"num_features": 3}),
        Case("InstanceNorm2d", _instances, normal((2, 3, 2, 4)), {"num_features": 3, "affine": True}),
        Case("LayerNorm", lambda x, w, b: layer_norm(x, (5,), w, b), normal((4, 5)), {"normalized_shape": 5}),
        Case(
            "LayerNorm",
            lambda x, w: layer_norm(x, (3, 5), w, None, 0.1),
            normal((4, 3, 5)),
            {"normalized_shape": (3, 5), "bias": False, "eps": 0.1},
        ),
        Case(
            "GroupNorm",
            lambda x, w, b: group_norm(x, 2, w, b),
            normal((3, 4, 5)),
            {"num_groups": 2, "num_channels": 4},
        ),
        Case(
            "GroupNorm",
            lambda x: group_norm(x, 4),
            normal((3, 4, 5)),
            {"num_groups": 4, "num_channels": 4, "affine": False},
        ),
        Case(
            "RMSNorm",
            lambda x, w: rms_norm(x, (5,), w, 0.1),
            normal((4, 5)),
            {"normalized_shape": 5, "eps": 0.1},
        ),
        Case(
            "LocalResponseNorm",
            lambda x: local_response(x, 3, 0.1, 0.75, 1.0),
            normal((2, 5, 3)),
            {"size": 3, "alpha": 0.1},
        ),
        Case(
            "LocalResponseNorm",
            lambda x: local_response(x, 4, 1e-4, 0.5, 2.0),
            normal((2, 5, 3, 2)),
            {"size": 4, "beta": 0.5, "k": 2.0},
        ),
    ]


def _reduced(
    module: str, values: Callable[..., Array], inputs: Inputs, grad: tuple[int, ...] = (0,), **options: Any
) -> list[Case]:
    """A loss with each of its reductions."""
    return [
        Case(
            module,
            lambda *args, how=reduction: reduce(values(*args), how),
            inputs,
            {**options, "reduction": reduction},
            grad,
        )
        for reduction in ("none", "mean", "sum")
    ]


def _apart(shape: tuple[int, ...]) -> Inputs:
    """Two inputs whose differences stay away from -1, 0 and 1, and from half of each."""

    def draw(random: np.random.Generator) -> tuple[Array, ...]:
        (gap,) = off_corners(-1.0, -0.5, 0.0, 0.5, 1.0, shape=shape)(random)
        x = np.asarray(random.standard_normal(shape))
        return x, x - gap

    return draw


def _losses() -> list[Case]:
    pair = _apart((4, 3))

    def probabilities(random: np.random.Generator) -> tuple[Array, ...]:
        return random.uniform(0.05, 0.95, (4, 3)), random.uniform(0, 1, (4, 3))

    def logits(random: np.random.Generator) -> tuple[Array, ...]:
        return random.standard_normal((4, 3)), random.uniform(0, 1, (4, 3))

    def distributions(random: np.random.Generator) -> tuple[Array, ...]:
        return log_softmax(random.standard_normal((4, 3)), 1), softmax(random.standard_normal((4, 3)), 1)

    def gaussians(random: np.random.Generator) -> tuple[Array, ...]:
        return (*normal((4, 3), (4, 3))(random), random.uniform(0.3, 2.0, (4, 3)))

    def counts(random: np.random.Generator) -> tuple[Array, ...]:
        return random.uniform(0.2, 2.0, (4, 3)), random.poisson(3.0, (4, 3)).astype(float)

    both = (0, 1)
    cases = [
        *_reduced("MSELoss", lambda x, y: (x - y) ** 2, pair, both),
        *_reduced("L1Loss", lambda x, y: np.abs(x - y), pair, both),
        *_reduced("SmoothL1Loss", lambda x, y: smooth_l1(x - y, 0.5), pair, both, beta=0.5),
        *_reduced("HuberLoss", lambda x, y: 0.5 * smooth_l1(x - y, 0.5), pair, both, delta=0.5),
        *_reduced("BCELoss", binary_cross_entropy, probabilities),
        *_reduced("BCEWithLogitsLoss", with_logits, logits),
        *_reduced("SoftMarginLoss", lambda x, y: np.logaddexp(0, -y * x), with_signs(normal((4, 3)), (4, 3))),
        *_reduced(
            "HingeEmbeddingLoss",
            lambda x, y: hinge_embedding(x, y, 0.5),
            with_signs(off_corners(0.5, shape=(4, 3)), (4, 3)),
            margin=0.5,
        ),
        *_reduced(
            "MarginRankingLoss",
            lambda x, y, t: np.maximum(0.0, -t * (x - y)),
            with_signs(pair, (4, 3)),
            both,
        ),
        *_reduced(
            "CosineEmbeddingLoss",
            lambda x, y, t: cosine_embedding(x, y, t, -0.2),
            with_signs(normal((4, 3), (4, 3)), (4,)),
            both,
            margin=-0.2,
        ),
        *_reduced("TripletMarginLoss", triplet, normal((4, 3), (4, 3), (4, 3)), (0, 1, 2)),
        *_reduced(
            "TripletMarginLoss",
            lambda a, p, n: triplet(a, p, n, 2.0, 3.0, 1e-3, True),
            normal((4, 3), (4, 3), (4, 3)),
            (0, 1, 2),
            margin=2.0,
            p=3.0,
            eps=1e-3,
            swap=True,
        ),
        *_reduced("PoissonNLLLoss", lambda x, t: poisson(x, t), counts),
        *_reduced(
            "PoissonNLLLoss", lambda x, t: poisson(x, t, False, True), counts, log_input=False, full=True
        ),
        *_reduced(
            "GaussianNLLLoss", lambda x, t, v: gaussian(x, t, v, True), gaussians, (0, 1, 2), full=True
        ),
        *_reduced("MultiLabelSoftMarginLoss", multilabel_soft_margin, logits),
    ]
    for reduction in ("none", "mean", "sum"):
        how = {"reduction": reduction}
        cases += [
            Case(
                "CrossEntropyLoss",
                lambda x, t, how=how: cross_entropy(x, t, **how),
                scores((5, 4), (5,), 4),
                how,
            ),
            Case(
                "CrossEntropyLoss",
                lambda x, t, how=how: cross_entropy(x, t, ignore_index=1, label_smoothing=0.2, **how),
                scores((5, 4, 2), (5, 2), 4),
                {"ignore_index": 1, "label_smoothing": 0.2, **how},
            ),
            Case(
                "LinearCrossEntropyLoss",
                lambda x, t, w, b, how=how: cross_entropy(linear(x, w, b), t, label_smoothing=0.1, **how),
                scores((5, 3), (5,), 4),
                {"in_features": 3, "num_classes": 4, "bias": True, "label_smoothing": 0.1, **how},
            ),
            Case("NLLLoss", lambda x, t, how=how: nll_loss(x, t, **how), scores((5, 4), (5,), 4), how),
            Case(
                "MultiMarginLoss",
                lambda x, t, how=how: multi_margin_loss(x, t, p=2, margin=0.7, **how),
                scores((5, 4), (5,), 4),
                {"p": 2, "margin": 0.7, **how},
            ),
        ]
    cases += [
        Case("KLDivLoss", lambda x, t, how=how: kl_div(x, t, how), distributions, {"reduction": how})
        for how in ("none", "batchmean", "sum")
    ]
    return cases


CASES: list[Case] = [*_activations(), *_layers(), *_normalizations(), *_losses()]
