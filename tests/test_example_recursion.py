"""examples/recursion.py: recursion and loop agree step by step, and the trap is one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unspool.demo import load

example: Any = load("recursion")


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return example.main(["--quick"])


def test_every_way_has_the_losses_of_the_loop(found: dict[str, float]) -> None:
    gaps = {name: value for name, value in found.items() if name.endswith("largest difference")}
    assert len(gaps) == 2 * (len(example.WAYS) - 1)
    assert max(gaps.values()) < 1e-12
    assert all(value == 0 for name, value in gaps.items() if "NumPy" in name)


@pytest.mark.parametrize("sizes", [[4, 1], [4, 4, 1]], ids=str)
def test_five_hundred_steps_agree_to_1e_12(sizes: list[int]) -> None:
    x, y = example.notes()
    layers = example.initial_layers(sizes)
    expected, _ = example.train("NumPy, loop", layers, x, y, 500)
    for way in example.WAYS:
        losses, _ = example.train(way, layers, x, y, 500)
        assert np.abs(losses - expected).max() < 1e-12, way
    assert expected[-1] < 0.7 * expected[0]


def test_updating_before_the_cotangent_is_formed_is_wrong() -> None:
    x, y = example.notes()
    layers = example.initial_layers([4, 4, 1])
    final = {}
    for update in ("after", "unwinding", "trap"):
        network = example.Recursion(np, copy.deepcopy(layers), y, update)
        final[update] = [network.step(x) for _ in range(500)][-1]
    assert final["after"] == final["unwinding"]
    assert abs(final["trap"] - final["unwinding"]) > 1e-5


def test_networks_learn_to_tell_the_notes(found: dict[str, float]) -> None:
    x, y = example.notes()
    loop = example.Loop(example.initial_layers([4, 1]), y)
    for _ in range(5000):
        loop.step(x)
    assert example.accuracy(loop.layers, x, y) > 0.97


def test_other_data_gives_other_numbers(found: dict[str, float], tmp_path: Path) -> None:
    x, y = example.notes(seed=3)
    table = tmp_path / "notes.csv"
    np.savetxt(table, np.hstack([x, y]), delimiter=",", header="a,b,c,d,label", comments="")
    other = example.main(["--quick", "--deepest", "1", "--data", str(table), "--out", str(tmp_path)])
    assert other["4-1 loss"] != found["4-1 loss"]
    assert "<svg" in (tmp_path / "recursion.svg").read_text("utf-8")


def test_python_says_what_to_do_when_it_is_too_deep() -> None:
    x, y = example.notes()
    network = example.Recursion(np, example.initial_layers([4] * 3000), y)
    with pytest.raises(
        RecursionError, match=r"2999 layers.*sys\.setrecursionlimit, or use unspool\.recursive_step"
    ):
        network.step(x)


def test_depth_is_measured(found: dict[str, float]) -> None:
    for way in example.DEEP:
        assert found[f"{way}, µs per layer at depth 100"] > 0
