"""Sorting, scans, and reading and writing by index: forward, and forward with backward where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness

LONG, ROWS, TABLE = (100_000,), (64, 1000), (1024, 256)

# Name, shape of x, expression, whether x has a gradient. i: an order of the last dimension for each row; j: a
# row for each element, some of them twice; k: some rows; v: values for all elements; n: whole numbers.
OPERATIONS = (
    ("sort 100,000", LONG, "x.sort()[0]", True),
    ("sort of int64", LONG, "n.sort()[0]", False),
    ("sort of rows", ROWS, "x.sort(-1)[0]", True),
    ("sort of columns", ROWS, "x.sort(0)[0]", True),
    ("argsort of rows", ROWS, "x.argsort(-1)", False),
    ("topk 10 of rows", ROWS, "x.topk(10)[0]", True),
    ("topk 100 of 100,000", LONG, "x.topk(100)[0]", True),
    ("cumsum 100,000", LONG, "x.cumsum(0)", True),
    ("cumsum of rows", ROWS, "x.cumsum(-1)", True),
    ("cumsum of columns", ROWS, "x.cumsum(0)", True),
    ("gather from rows", TABLE, "x.gather(-1, i)", True),
    ("gather from columns", TABLE, "x.gather(0, j)", True),
    ("scatter into rows", TABLE, "x.scatter(-1, i, v)", True),
    ("scatter into columns", TABLE, "x.scatter(0, j, v)", True),
    ("scatter_add into rows", TABLE, "x.scatter_add(-1, i, v)", True),
    ("scatter_add into columns", TABLE, "x.scatter_add(0, j, v)", True),
    ("index_select of rows", TABLE, "x.index_select(0, k)", True),
    ("index_add of rows", TABLE, "x.index_add(0, k, v[: len(k)])", True),
    ("rows by an index", TABLE, "x[k]", True),
)


def names(lib: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = lib.from_numpy(rng.normal(size=shape).astype(np.float32)).requires_grad_()
    i = np.argsort(rng.random(shape), -1)
    j, k = rng.integers(0, shape[0], shape), rng.integers(0, shape[0], shape[0] // 2)
    v = lib.from_numpy(rng.normal(size=shape).astype(np.float32))
    n = lib.from_numpy(rng.integers(-(2**40), 2**40, shape))
    index = {name: lib.from_numpy(values) for name, values in (("i", i), ("j", j), ("k", k))}
    return {"lib": lib, "x": x, "v": v, "n": n, **index}


def fill(suite: harness.Suite) -> None:
    libraries = harness.libraries(suite.options.threads)
    for name, shape, code, has_gradient in OPERATIONS:
        pair = [names(lib, shape) for lib in libraries]
        suite.duel(name, code, *pair)
        if has_gradient:
            for each in pair:
                each["g"] = each["lib"].ones(tuple(eval(code, each).shape))
            suite.duel(f"{name}, and backward", f"lib.autograd.grad({code}, x, g)", *pair)


if __name__ == "__main__":
    harness.main("picking", fill)
