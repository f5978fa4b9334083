"""Recurrent cells and layers in pure NumPy, sequence by sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .rows import Array
from .transcendental import sigmoid

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def cell(mode: str, x: Array, h: Array, c: Array, p: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    """One step of (N, I): the new hidden and cell state. `name` is the ending of the parameters' names."""
    zero: Any = 0.0
    from_input = x @ p[f"weight_ih{name}"].T + p.get(f"bias_ih{name}", zero)
    from_hidden = h @ p[f"weight_hh{name}"].T + p.get(f"bias_hh{name}", zero)
    if mode == "RNN_TANH":
        return np.tanh(from_input + from_hidden), c
    if mode == "RNN_RELU":
        return np.maximum(from_input + from_hidden, 0.0), c
    if mode == "GRU":
        (xr, xz, xn), (hr, hz, hn) = np.split(from_input, 3, -1), np.split(from_hidden, 3, -1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        return (1 - z) * np.tanh(xn + r * hn) + z * h, c
    i, f, g, o = np.split(from_input + from_hidden, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h @ p[f"weight_hr{name}"].T if f"weight_hr{name}" in p else h), c


def layer(
    mode: str, x: Array, h: Array, c: Array, p: Mapping[str, Array], name: str
) -> tuple[Array, Array, Array]:
    """All steps of (L, N, I), backwards where the name says so: outputs and last states."""
    steps = range(len(x))
    outputs: list[Any] = [None] * len(x)
    for t in reversed(steps) if name.endswith("_reverse") else steps:
        h, c = cell(mode, x[t], h, c, p, name)
        outputs[t] = h
    return np.stack(outputs), h, c


def network(
    mode: str, x: Array, h: Array, c: Array, p: Mapping[str, Array], layers: int, bidirectional: bool
) -> tuple[Array, Array, Array]:
    """Layers over (L, N, I) with states (layers * directions, N, ...)."""
    last_h, last_c = [], []
    for k in range(layers):
        outputs = []
        for suffix in ("", "_reverse") if bidirectional else ("",):
            place = len(last_h)
            y, hn, cn = layer(mode, x, h[place], c[place], p, f"_l{k}{suffix}")
            outputs.append(y)
            last_h.append(hn)
            last_c.append(cn)
        x = np.concatenate(outputs, -1)
    return x, np.stack(last_h), np.stack(last_c)
