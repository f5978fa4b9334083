"""examples/tree_lstm.py: reading by level gives what plain recursion gives, and the network learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.demo import load

example: Any = load("tree_lstm")
Tree = example.Tree


def random_tree(rng: np.random.Generator, most: int) -> Any:
    count = int(rng.integers(0, 4)) if most > 1 else 0
    return Tree(int(rng.integers(0, example.KINDS + 1)), [random_tree(rng, most // 2) for _ in range(count)])


def test_levels_give_the_losses_and_gradients_of_plain_recursion() -> None:
    rng = np.random.default_rng(0)
    trees = [Tree(1, [Tree(2), Tree(3, [Tree(4)])]), *(random_tree(rng, 40) for _ in range(12))]
    us.manual_seed(0)
    model = example.TreeLSTM(7).double()
    found = []
    for loss in (
        example.loss_by_recursion(model, trees),
        example.loss_by_level(model, example.Levels(trees)),
    ):
        model.zero_grad()
        loss.backward()
        found.append([loss.item(), *(p.grad.numpy().copy() for p in model.parameters())])
    # Plain recursion meets the nodes in another order, so sums differ in their last bits.
    for plain, level in zip(*found, strict=True):
        np.testing.assert_allclose(plain, level, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("engine", ["loop", "recursive"])
def test_a_tree_of_800_levels(engine: str) -> None:
    tree = Tree(1)
    for _ in range(300):
        tree = Tree(2, [tree, Tree(3)])
    model = example.TreeLSTM(4)
    example.loss_by_recursion(model, [tree]).backward(engine=engine)
    assert all(p.grad is not None for p in model.parameters())


def test_levels_are_ordered_by_height() -> None:
    levels = example.Levels([Tree(5, [Tree(6), Tree(7, [Tree(8), Tree(9)])]), Tree(10)])
    assert levels.kinds.tolist() == [6, 8, 9, 10, 7, 5]
    assert levels.starts == [0, 4, 5, 6]
    assert levels.answers.tolist() == [7, 5]
    pieces, parents = levels.edges[1]
    assert [(height, rows.tolist()) for height, rows in pieces] == [(0, [0]), (1, [0])]
    assert parents.tolist() == [0, 0]


def test_it_learns(tmp_path: Path) -> None:
    found = example.main(["--quick", "--out", str(tmp_path)])
    assert found["accuracy"] > found["accuracy of the commonest kind"] + 0.15
    assert found["difference of the losses"] < 1e-5
    assert "<svg" in (tmp_path / "tree_lstm.svg").read_text("utf-8")
    assert example.main(["--quick", "--seed", "1", "--epochs", "1"])["accuracy"] != found["accuracy"]
