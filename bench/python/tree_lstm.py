"""The Tree-LSTM of examples/tree_lstm.py against the same text run with torch's names bound.

The example is written in names that both libraries have, so that its source, with ``torch`` in place of
``unspool`` in its imports, is the peer. Forward and backward of a batch of 64 trees, by plain recursion and
by level. Takes less than a minute:

    PYTHONPATH=build/release/python python bench/python/tree_lstm.py
"""

from __future__ import annotations

import sys
import types
from functools import partial
from pathlib import Path
from typing import Any

import harness


def twin(library: Any) -> Any:
    """The example as a module over that library."""
    import unspool

    text = (Path(unspool.__file__).parent / "_examples" / "tree_lstm.py").read_text("utf-8")
    name = library.__name__
    for old, new in (
        ("import unspool as us", f"import {name} as us"),
        ("import unspool.nn.functional as F", f"import {name}.nn.functional as F"),
        ("from unspool import", f"from {name} import"),
    ):
        text = text.replace(old, new)
    module: Any = types.ModuleType(f"tree_lstm_over_{name}")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(text, module.__name__, "exec"), module.__dict__)
    return module


def fill(suite: harness.Suite) -> None:
    pair = harness.libraries(suite.options.threads)
    spaces: dict[str, list[dict[str, Any]]] = {"plain recursion": [], "level by level": []}
    losses = []
    for library in pair:
        module = twin(library)
        library.manual_seed(0)
        model = module.TreeLSTM(48)
        trees = module.read_library(["heapq"], module.commonest_kinds())[:64]
        levels = module.Levels(trees)
        spaces["plain recursion"].append({"loss": partial(module.loss_by_recursion, model, trees)})
        spaces["level by level"].append({"loss": partial(module.loss_by_level, model, levels)})
        losses.append([float(each[-1]["loss"]()) for each in spaces.values()])
    nodes = len(levels.kinds)
    gap = max(abs(a - b) for a, b in zip(*losses, strict=True))
    for name, (ours, peer) in spaces.items():
        suite.duel(
            f"Tree-LSTM, {name}",
            "loss().backward()",
            ours,
            peer,
            note=f"64 trees, {nodes} nodes; losses of the two libraries within {gap:.0e}",
        )


if __name__ == "__main__":
    harness.main("tree_lstm", fill)
