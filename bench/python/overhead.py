"""What one operation costs before it computes anything: four floats at a time."""

from __future__ import annotations

from typing import Any

import harness


def names(library: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    """The same tensors and the same layer in one library."""
    tensors = {key: library.from_numpy(array.copy()) for key, array in arrays.items()}
    layer = library.nn.Linear(4, 4)
    layer.load_state_dict({"weight": tensors["w"], "bias": tensors["a"]})
    recorded = {f"{key}_recorded": tensors[key].clone().requires_grad_() for key in ("a", "b")}
    return {**tensors, **recorded, "layer": layer, "lib": library}


def fill(suite: harness.Suite) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    shapes = {"a": (4,), "b": (4,), "w": (4, 4), "x": (5, 4)}
    arrays = {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    pair = [names(library, arrays) for library in harness.libraries(suite.options.threads)]

    def duel(name: str, code: str) -> None:
        suite.duel(name, code, *pair)

    duel("a + b, 4 floats", "a + b")
    duel("a + b, 4 floats, recorded", "a_recorded + b_recorded")
    duel("a.exp(), 4 floats", "a.exp()")
    duel("Linear(4, 4) forward", "layer(a)")
    duel("Linear(4, 4) forward, batch 5", "layer(x)")
    duel("Linear(4, 4) forward + backward", "layer(a).sum().backward()")
    duel("Linear(4, 4) forward + backward, batch 5", "layer(x).sum().backward()")
    duel("view, transpose, slice", "x.view(4, 5).t()[1:]")
    duel("tensor([1.0, 2.0])", "lib.tensor([1.0, 2.0])")
    duel("a.sum().item()", "a.sum().item()")


if __name__ == "__main__":
    harness.main("overhead", fill)
