"""Recurrent layers and cells, forward and forward + backward, as (steps, batch, inputs, hidden)."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness

LAYERS = ("LSTM", "GRU", "RNN")
SHAPES = ((32, 32, 64, 128), (100, 8, 32, 64), (32, 1, 16, 32))
CELLS = ("LSTMCell", "GRUCell")


def array(lib: Any, *shape: int) -> Any:
    return lib.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def layer_names(lib: Any, kind: str, shape: tuple[int, int, int, int]) -> dict[str, Any]:
    steps, batch, inputs, hidden = shape
    lib.manual_seed(0)
    x = array(lib, steps, batch, inputs).requires_grad_()
    return {"layer": getattr(lib.nn, kind)(inputs, hidden), "x": x, "g": array(lib, steps, batch, hidden)}


def cell_names(lib: Any, kind: str) -> dict[str, Any]:
    lib.manual_seed(0)
    x, h = array(lib, 4, 16), array(lib, 4, 32)
    state = (h, h) if kind == "LSTMCell" else h
    return {"cell": getattr(lib.nn, kind)(16, 32), "x": x, "state": state}


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    for kind in LAYERS:
        for shape in SHAPES:
            pair = [layer_names(lib, kind, shape) for lib in libraries]
            name = f"{kind} {shape}"
            suite.duel(f"{name} forward", "layer(x)", *pair)
            suite.duel(
                f"{name} forward + backward",
                "layer.zero_grad(); x.grad = None; layer(x)[0].backward(g)",
                *pair,
            )
    for kind in CELLS:
        pair = [cell_names(lib, kind) for lib in libraries]
        first = "[0]" if kind == "LSTMCell" else ""
        suite.duel(f"{kind} (4, 16, 32) forward", "cell(x, state)", *pair)
        suite.duel(
            f"{kind} (4, 16, 32) forward + backward",
            f"cell.zero_grad(); cell(x, state){first}.sum().backward()",
            *pair,
        )


if __name__ == "__main__":
    harness.main("recurrent", fill)
