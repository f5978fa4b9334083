"""Normalization layers, forward and forward + backward, in shapes that networks use."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness

LAYERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("LayerNorm", "lib.nn.LayerNorm(512)", (256, 512)),
    ("LayerNorm", "lib.nn.LayerNorm(512)", (32, 128, 512)),
    ("LayerNorm", "lib.nn.LayerNorm(64)", (8, 64)),
    ("RMSNorm", "lib.nn.RMSNorm(512)", (256, 512)),
    ("BatchNorm2d", "lib.nn.BatchNorm2d(64)", (64, 64, 16, 16)),
    ("BatchNorm1d", "lib.nn.BatchNorm1d(512)", (256, 512)),
    ("BatchNorm1d", "lib.nn.BatchNorm1d(20)", (64, 20)),
    ("GroupNorm", "lib.nn.GroupNorm(8, 64)", (16, 64, 16, 16)),
    ("InstanceNorm2d", "lib.nn.InstanceNorm2d(32)", (8, 32, 32, 32)),
)


def names(lib: Any, make: str, shape: tuple[int, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = lib.from_numpy(rng.normal(size=shape).astype(np.float32)).requires_grad_()
    g = lib.from_numpy(rng.normal(size=shape).astype(np.float32))
    return {"lib": lib, "norm": eval(make, {"lib": lib}), "x": x, "g": g}


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    for name, make, shape in LAYERS:
        pair = [names(lib, make, shape) for lib in libraries]
        sizes = "x".join(map(str, shape))
        suite.duel(f"{name} {sizes} forward", "norm(x)", *pair)
        suite.duel(f"{name} {sizes} forward + backward", "x.grad = None; norm(x).backward(g)", *pair)


if __name__ == "__main__":
    harness.main("normalization", fill)
