"""Attention, transformer layers and the functions of a classifier's head, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness

SHAPES = ((32, 4, 64, 16), (8, 8, 128, 64), (4, 8, 256, 64), (1, 8, 1024, 64))  # batch, heads, rows, size
SCORES = ((128, 10), (128, 1000), (1024, 65))  # samples, classes
HIDDEN = ((128, 784), (128, 512))

FORWARD = "F.scaled_dot_product_attention(q, k, v, is_causal=causal)"
BACKWARD = "\n".join(
    ("q.grad = k.grad = v.grad = None", f"{FORWARD}.backward(g)"),
)
HEADS = {
    "softmax": "F.softmax(x, 1).backward(g)",
    "log_softmax": "F.log_softmax(x, 1).backward(g)",
    "cross_entropy": "F.cross_entropy(x, t).backward()",
}


def tensors(lib: Any, *shapes: tuple[int, ...], grad: bool = True) -> list[Any]:
    rng = np.random.default_rng(0)
    found = [lib.from_numpy(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
    return [x.requires_grad_() for x in found] if grad else found


def attention_names(lib: Any, shape: tuple[int, ...], causal: bool) -> dict[str, Any]:
    q, k, v = tensors(lib, shape, shape, shape)
    (g,) = tensors(lib, shape, grad=False)
    return {"F": lib.nn.functional, "q": q, "k": k, "v": v, "g": g, "causal": causal}


def score_names(lib: Any, samples: int, classes: int) -> dict[str, Any]:
    (x,) = tensors(lib, (samples, classes))
    (g,) = tensors(lib, (samples, classes), grad=False)
    target = lib.from_numpy(np.random.default_rng(1).integers(0, classes, samples))
    return {"F": lib.nn.functional, "x": x, "g": g, "t": target}


def layer_names(lib: Any) -> dict[str, Any]:
    layer = lib.nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1, batch_first=True)
    (x,) = tensors(lib, (32, 64, 64))
    return {"layer": layer, "x": x}


def embedding_names(lib: Any) -> dict[str, Any]:
    table = lib.nn.Embedding(1000, 64)
    index = lib.from_numpy(np.random.default_rng(0).integers(0, 1000, (32, 64)))
    return {"table": table, "i": index}


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    for shape in SHAPES:
        for causal in (False, True):
            pair = [attention_names(lib, shape, causal) for lib in libraries]
            name = f"attention {'x'.join(map(str, shape))}{', causal' if causal else ''}"
            suite.duel(f"{name}, forward", FORWARD, *pair)
            suite.duel(f"{name}, and backward", BACKWARD, *pair)
    for samples, classes in SCORES:
        pair = [score_names(lib, samples, classes) for lib in libraries]
        for name, code in HEADS.items():
            suite.duel(f"{name} {samples}x{classes}", f"x.grad = None\n{code}", *pair)
    for samples, size in HIDDEN:
        pair = [score_names(lib, samples, size) for lib in libraries]
        suite.duel(f"dropout {samples}x{size}", "x.grad = None\nF.dropout(x, 0.5, True).backward(g)", *pair)
    pair = [layer_names(lib) for lib in libraries]
    suite.duel("encoder layer 32x64x64, 4 heads", "layer(x).sum().backward()", *pair)
    pair = [embedding_names(lib) for lib in libraries]
    suite.duel("embedding 1000x64, 32x64 indices", "table(i).sum().backward()", *pair)


if __name__ == "__main__":
    harness.main("attention", fill)
