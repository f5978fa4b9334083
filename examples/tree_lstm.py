"""Networks over trees: a Tree-LSTM that guesses a Python construct from its parts, on the standard library.

Every statement of the standard library is a tree (``ast``), and no two have the same shape. The child-sum
Tree-LSTM (Tai, Socher and Manning 2015, equations 2 to 8) reads such a tree as one writes it down: the
state of a node is computed from the states of its children by a function that calls itself. The tape
takes whatever comes of it, so nothing else is needed to train. At each inner node the network guesses the
kind of the node from the sum of its children's states, before it is told.

One node at a time is slow. ``Levels`` puts all nodes of all trees of a batch that have the same height
side by side, so that a batch takes as many steps as its highest tree has levels; the numbers are the
same.
"""

from __future__ import annotations

import argparse
import ast
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim
from unspool.demo import at_least_one

MODULES = (
    "argparse",
    "ast",
    "calendar",
    "cmd",
    "configparser",
    "copy",
    "csv",
    "dataclasses",
    "difflib",
    "enum",
)
HELD_OUT = ("bisect", "heapq", "shelve", "textwrap")
KINDS = 40  # the commonest kinds of node; the others share a number


@dataclass
class Tree:
    """A node: the number of its kind, and its children."""

    kind: int
    children: list[Tree] = field(default_factory=list)


# ---- trees from source text ----


def statements(module: str, most: int = 60) -> Iterator[ast.AST]:
    """The statements of a module of the standard library that have from 4 to ``most`` nodes."""
    source = (Path(sysconfig.get_path("stdlib")) / f"{module}.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and 4 <= sum(1 for _ in ast.walk(node)) <= most:
            yield node


def tree_of(node: ast.AST, numbers: dict[str, int]) -> Tree:
    """The same tree with numbers in place of kinds; contexts such as Load say nothing and are left out."""
    parts = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context)]
    return Tree(numbers.get(type(node).__name__, 0), [tree_of(part, numbers) for part in parts])


def read_library(modules: Sequence[str], numbers: dict[str, int]) -> list[Tree]:
    """All statements of these modules as trees."""
    return [tree_of(node, numbers) for module in modules for node in statements(module)]


def commonest_kinds() -> dict[str, int]:
    """A number from 1 for each of the commonest kinds of node in MODULES."""
    counts = Counter(type(n).__name__ for m in MODULES for s in statements(m) for n in ast.walk(s))
    return {name: i + 1 for i, (name, _) in enumerate(counts.most_common(KINDS))}


# ---- the network ----


class TreeLSTM(nn.Module):
    """The child-sum cell, and the guess that is made at each inner node."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(KINDS + 1, size)
        self.gates = nn.Linear(size, 4 * size)  # of the node's kind: input, output, update, forget
        self.from_children = nn.Linear(size, 3 * size, bias=False)  # of the children's sum: the first three
        self.from_child = nn.Linear(size, size, bias=False)  # of one child: the forget gate
        self.guess = nn.Linear(size, KINDS + 1)

    def cell(self, gates: Any, total: Any, kept: Any) -> tuple[Any, Any]:
        """The states h, c (nodes, size) from the gates, the sum of the children's h and of what they keep."""
        i, o, u, _ = gates.chunk(4, dim=-1)
        from_i, from_o, from_u = self.from_children(total).chunk(3, dim=-1)
        c = us.sigmoid(i + from_i) * us.tanh(u + from_u) + kept
        return us.sigmoid(o + from_o) * us.tanh(c), c

    def forget(self, gates: Any, h: Any, c: Any) -> Any:
        """What is kept of each child's c."""
        return us.sigmoid(gates.chunk(4, dim=-1)[3] + self.from_child(h)) * c

    def read(self, tree: Tree, guesses: list[Any], kinds: list[int]) -> tuple[Any, Any]:
        """Plain recursion: the states of a tree; guesses at its inner nodes are appended."""
        states = [self.read(child, guesses, kinds) for child in tree.children]
        gates = self.gates(self.embedding(us.tensor([tree.kind])))
        nothing = us.zeros((1, self.size), dtype=gates.dtype)
        total = sum((h for h, _ in states), nothing)
        kept = sum((self.forget(gates, h, c) for h, c in states), nothing)
        if states:
            guesses.append(self.guess(total))
            kinds.append(tree.kind)
        return self.cell(gates, total, kept)

    def read_levels(self, levels: Levels) -> Any:
        """The guesses at all inner nodes of a batch, level by level from the leaves up."""
        gates = self.gates(self.embedding(levels.kinds))
        nothing = us.zeros((levels.starts[1], self.size), dtype=gates.dtype)
        h, c = self.cell(gates[: levels.starts[1]], nothing, nothing)
        all_h, all_c, totals = [h], [c], []
        for k in range(1, len(levels.starts) - 1):
            start, end = levels.starts[k], levels.starts[k + 1]
            children, parents = levels.edges[k - 1]
            child_h, child_c = gathered(all_h, children), gathered(all_c, children)
            zeros = us.zeros((end - start, self.size), dtype=gates.dtype)
            own = gates[start:end]
            total = zeros.index_add(0, parents, child_h)
            kept = zeros.index_add(0, parents, self.forget(own[parents], child_h, child_c))
            h, c = self.cell(own, total, kept)
            all_h.append(h)
            all_c.append(c)
            totals.append(total)
        return self.guess(us.cat(totals))


def gathered(levels: list[Any], places: list[tuple[int, Any]]) -> Any:
    """Rows from several levels, one piece for each: (level, rows in it)."""
    return us.cat([levels[level][rows] for level, rows in places])


class Levels:
    """The nodes of several trees, ordered by height: leaves first.

    Attributes:
        kinds: (nodes,), in that order.
        starts: where each height begins; the last is the number of nodes.
        edges: for each height from 1: the children of its nodes, as (height, rows) pieces, and the row of
            each child's parent.
        answers: (inner nodes,), the kinds to be guessed.
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        by_height: list[list[Tree]] = []
        row: dict[int, tuple[int, int]] = {}

        def place(tree: Tree) -> int:
            height = 1 + max((place(child) for child in tree.children), default=-1)
            while len(by_height) <= height:
                by_height.append([])
            row[id(tree)] = height, len(by_height[height])
            by_height[height].append(tree)
            return height

        for tree in trees:
            place(tree)
        kinds = [node.kind for nodes in by_height for node in nodes]
        self.kinds = us.tensor(kinds)
        self.starts = [0, *np.cumsum([len(nodes) for nodes in by_height]).tolist()]
        self.answers = us.tensor(kinds[self.starts[1] :])
        self.edges = []
        for nodes in by_height[1:]:
            pairs = [
                (*row[id(child)], parent) for parent, node in enumerate(nodes) for child in node.children
            ]
            pairs.sort(key=lambda pair: pair[0])  # by the child's height; stable
            pieces = []
            for height in sorted({pair[0] for pair in pairs}):
                pieces.append((height, us.tensor([at for h, at, _ in pairs if h == height])))
            self.edges.append((pieces, us.tensor([parent for _, _, parent in pairs])))


def loss_by_recursion(model: TreeLSTM, trees: Sequence[Tree]) -> Any:
    """Cross-entropy of all guesses, reading one node at a time."""
    guesses: list[Any] = []
    kinds: list[int] = []
    for tree in trees:
        model.read(tree, guesses, kinds)
    return F.cross_entropy(us.cat(guesses), us.tensor(kinds))


def loss_by_level(model: TreeLSTM, levels: Levels) -> Any:
    """The same, reading a level at a time."""
    return F.cross_entropy(model.read_levels(levels), levels.answers)


# ---- training ----


def batches(trees: Sequence[Tree], size: int, seed: int) -> list[Levels]:
    """The trees in random order, so many at a time."""
    order = np.random.default_rng(seed).permutation(len(trees))
    return [Levels([trees[i] for i in order[at : at + size]]) for at in range(0, len(order), size)]


def accuracy(model: TreeLSTM, trees: Sequence[Tree]) -> float:
    """The share of inner nodes whose kind is guessed right."""
    levels = Levels(trees)
    with us.no_grad():
        return float((model.read_levels(levels).argmax(dim=1) == levels.answers).double().mean().item())


def commonest_share(trees: Sequence[Tree]) -> float:
    """The share that is right when the same kind is guessed everywhere."""
    counts = Counter(Levels(trees).answers.tolist())
    return counts.most_common(1)[0][1] / counts.total()


def seconds_of(step: Any, rounds: int = 3) -> float:
    """The shortest of several runs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(model: TreeLSTM, trees: Sequence[Tree]) -> dict[str, float]:
    """Time a batch both ways, forward and backward, and print how far the losses are apart."""
    levels = Levels(trees)
    ways = {
        "recursion": lambda: loss_by_recursion(model, trees),
        "levels": lambda: loss_by_level(model, levels),
    }
    gap = abs(float(ways["recursion"]().item()) - float(ways["levels"]().item()))
    found = {"difference of the losses": gap}
    nodes = len(levels.kinds)
    for name, loss in ways.items():
        found[f"{name}, µs a node"] = 1e6 * seconds_of(lambda loss=loss: loss().backward()) / nodes
    print(f"{len(trees)} trees, {nodes} nodes, {len(levels.starts) - 1} levels; losses within {gap:.1e}")
    for name in ways:
        print(f"  by {name:<10} {found[f'{name}, µs a node']:7.2f} µs a node, forward and backward")
    return found


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train, compare both ways of reading, print accuracies on held-out modules; give the numbers by name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the learning curve there")
    parser.add_argument("--quick", action="store_true", help="two epochs over few modules")
    parser.add_argument("--epochs", type=at_least_one, help="passes over the trees; default: 12")
    parser.add_argument("--size", type=at_least_one, default=48, help="of the states; default: 48")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order; default: 0")
    options = parser.parse_args(argv)
    epochs = options.epochs or (2 if options.quick else 12)

    us.manual_seed(options.seed)
    numbers = commonest_kinds()
    training = read_library(MODULES[:3] if options.quick else MODULES, numbers)
    test = read_library(HELD_OUT, numbers)
    model = TreeLSTM(options.size)
    found = compare(model, training[:64])
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    curve = []
    start = time.perf_counter()
    for epoch in range(epochs):
        for levels in batches(training, 64, options.seed + epoch):
            optimizer.zero_grad()
            loss_by_level(model, levels).backward()
            optimizer.step()
        curve.append(accuracy(model, test))
    found["seconds of training"] = time.perf_counter() - start
    found["accuracy"] = curve[-1]
    found["accuracy of the commonest kind"] = commonest_share(test)
    print(f"trained on {len(training)} statements in {found['seconds of training']:.1f} s")
    print(f"kinds guessed right in {len(test)} statements of {', '.join(HELD_OUT)}: {curve[-1]:.1%}")
    print(f"  always the commonest kind: {found['accuracy of the commonest kind']:.1%}")
    if options.out:
        from matplotlib.figure import Figure

        options.out.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.plot(range(1, epochs + 1), curve, marker="o")
        axes.axhline(found["accuracy of the commonest kind"], color="#9aa5b1", linestyle=":")
        axes.set(xlabel="epoch", ylabel="share of kinds guessed right, held out", ylim=(0, 1))
        figure.savefig(options.out / "tree_lstm.svg")
    return found


if __name__ == "__main__":
    main()
