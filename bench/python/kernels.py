"""Single operations that are large enough to be all kernel: products, functions, reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness

PRODUCTS = ((1024, 1024, 1024), (128, 784, 512), (128, 512, 10), (64, 64, 64), (32, 32, 32))
LAYOUTS = {"NN": "a @ b", "NT": "a @ bt.t()", "TN": "at.t() @ b"}
ELEMENTS = 1_000_000

# Over `x` (ELEMENTS of them, both signs), `y` (positive), `rows` (1000 x 1000) and F (nn.functional).
OPERATIONS = {
    "exp": "x.exp()",
    "tanh": "x.tanh()",
    "gelu": "F.gelu(x)",
    "gelu, tanh form": "F.gelu(x, approximate='tanh')",
    "log": "y.log()",
    "sigmoid": "x.sigmoid()",
    "relu": "x.relu()",
    "add": "x + y",
    "add, a row to each row": "rows + row",
    "sqrt": "y.sqrt()",
    "sin": "x.sin()",
    "sum": "x.sum()",
    "sum over rows": "rows.sum(0)",
    "sum over columns": "rows.sum(1)",
    "mean": "x.mean()",
    "max": "x.max()",
    "argmax over columns": "rows.argmax(1)",
    "softmax over columns": "F.softmax(rows, 1)",
    "log_softmax over columns": "F.log_softmax(rows, 1)",
    "dropout 0.5": "F.dropout(x, 0.5, True)",
    "rand": "lib.rand(1_000_000)",
    "randn": "lib.randn(1_000_000)",
    "transposed copy": "rows.t().contiguous()",
}


def product_names(lib: Any, m: int, k: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    arrays = {"a": a, "b": b, "at": a.T.copy(), "bt": b.T.copy()}
    return {key: lib.from_numpy(array.copy()) for key, array in arrays.items()}


def operation_names(lib: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = lib.from_numpy(rng.normal(size=ELEMENTS).astype(np.float32))
    y = lib.from_numpy(rng.uniform(0.1, 10.0, size=ELEMENTS).astype(np.float32))
    rows = x.view(1000, 1000)
    return {"lib": lib, "F": lib.nn.functional, "x": x, "y": y, "rows": rows, "row": rows[0].clone()}


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    rates = harness.measure_rates(libraries, suite.options.quick)
    for m, k, n in PRODUCTS:
        pair = [product_names(lib, m, k, n) for lib in libraries]
        flops, moved = 2.0 * m * k * n, 4.0 * (m * k + k * n + m * n)
        for layout, code in LAYOUTS.items():
            row = suite.duel(f"matmul {m}x{k}x{n} {layout}", code, *pair, floor=rates.floor(flops, moved))
            assert row.peer is not None
            row.note = f"{flops / row.ours / 1e9:.0f} and {flops / row.peer / 1e9:.0f} GFLOP/s"
    pair = [operation_names(lib) for lib in libraries]
    for name, code in OPERATIONS.items():
        row = suite.duel(name, code, *pair)
        row.note = f"{row.ours / ELEMENTS * 1e9:.2g} ns an element"


if __name__ == "__main__":
    harness.main("kernels", fill)
