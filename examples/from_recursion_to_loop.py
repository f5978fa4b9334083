"""From recursion to loop: define-by-run differentiation in forty lines, and what a shared value asks of it.

A ``Variable`` remembers the ``Function`` that made it, a ``Function`` the variables it was called with. To go
back through them, one writes a recursion first, then a loop with a list of functions still to be visited.
Both work on chains; on a graph where a value is used twice, they pass a function before all of its cotangent
has arrived, and go on with a wrong number. Visiting functions by generation, the latest first, mends it, and
is what unspool does. The same functions are then written for unspool itself.
"""

# ruff: noqa: D102 (the classes say what forward and backward do)

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

import unspool as us

# ---- forty lines of define-by-run ----


class Variable:
    """A number, its gradient, and the function that made it."""

    def __init__(self, data: float) -> None:
        self.data = np.float64(data)
        self.grad: Any = None
        self.creator: Function | None = None
        self.generation = 0


class Function:
    """Called with variables, gives a variable that remembers it."""

    def __call__(self, *inputs: Variable) -> Variable:
        self.inputs = inputs
        self.generation = max(x.generation for x in inputs)
        self.output = Variable(self.forward(*(x.data for x in inputs)))
        self.output.creator, self.output.generation = self, self.generation + 1
        return self.output

    def forward(self, *xs: Any) -> Any:
        """Compute the result from numbers."""
        raise NotImplementedError

    def backward(self, g: Any) -> tuple[Any, ...]:
        """Turn the cotangent of the result into one for each input."""
        raise NotImplementedError

    def hand_back(self) -> None:
        """Add the cotangents of the inputs to what they have already."""
        for x, g in zip(self.inputs, self.backward(self.output.grad), strict=True):
            x.grad = g if x.grad is None else x.grad + g


class Square(Function):
    """x²."""

    def forward(self, x: Any) -> Any:
        return x * x

    def backward(self, g: Any) -> tuple[Any, ...]:
        return (2 * self.inputs[0].data * g,)


class Exp(Function):
    """e to the power of x."""

    def forward(self, x: Any) -> Any:
        return np.exp(x)

    def backward(self, g: Any) -> tuple[Any, ...]:
        return (np.exp(self.inputs[0].data) * g,)


class Add(Function):
    """The sum of two numbers."""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, g: Any) -> tuple[Any, ...]:
        return g, g


# ---- four ways back ----


def by_recursion(y: Variable) -> None:
    """Hand the cotangent to the inputs, then do the same from each of them."""
    if y.creator is None:
        return
    y.creator.hand_back()
    for x in y.creator.inputs:
        by_recursion(x)


def by_loop(y: Variable) -> None:
    """Do the same with a list in place of the call stack."""
    functions = [y.creator]
    while functions:
        function = functions.pop()
        if function is None:
            continue
        function.hand_back()
        functions.extend(x.creator for x in function.inputs)


def by_generation(y: Variable) -> None:
    """Take the function of the latest generation next, and each one once."""
    waiting: list[tuple[int, int, Function]] = []
    seen: set[int] = set()

    def add(function: Function | None) -> None:
        if function is not None and id(function) not in seen:
            seen.add(id(function))
            heapq.heappush(waiting, (-function.generation, len(seen), function))

    add(y.creator)
    while waiting:
        _, _, function = heapq.heappop(waiting)
        function.hand_back()
        for x in function.inputs:
            add(x.creator)


def by_complete_recursion(y: Variable) -> None:
    """Recurse the other way: a cotangent is known once everything that uses the value has been passed.

    This is what ``backward(engine="recursive")`` does: the base case is the result, the returns go down.
    """
    users: dict[int, list[Function]] = {}
    values: dict[int, Variable] = {}

    def collect(v: Variable) -> None:
        if id(v) in values:
            return
        values[id(v)] = v
        for x in v.creator.inputs if v.creator else ():
            users.setdefault(id(x), []).append(v.creator)  # type: ignore[arg-type]
            collect(x)

    passed: set[int] = set()

    def settle(v: Variable) -> None:
        for function in users.get(id(v), ()):
            if id(function) not in passed:
                passed.add(id(function))
                settle(function.output)
                function.hand_back()

    collect(y)
    for v in list(values.values()):
        if v.creator is None:
            settle(v)


WAYS: dict[str, Callable[[Variable], None]] = {
    "recursion": by_recursion,
    "loop": by_loop,
    "generations": by_generation,
    "complete recursion": by_complete_recursion,
}


def chain(x: Variable) -> Variable:
    """exp(x²)²."""
    return Square()(Exp()(Square()(x)))


def shared(x: Variable) -> Variable:
    """a² + a² with a = x²: both squares use a."""
    a = Square()(x)
    return Add()(Square()(a), Square()(a))


def slope(way: Callable[[Variable], None], build: Callable[[Variable], Variable], at: float) -> float:
    """The derivative of what ``build`` computes, as this way back finds it."""
    x = Variable(at)
    y = build(x)
    y.grad = np.float64(1.0)
    way(y)
    return float(x.grad)


# ---- the same functions for unspool ----


class UnspoolSquare(us.autograd.Function):
    """x² as a function of your own: forward computes and saves, backward gives the cotangent."""

    @staticmethod
    def forward(ctx: Any, x: us.Tensor) -> us.Tensor:
        """Square; backward will need x."""
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Twice x, times g."""
        (x,) = ctx.saved_tensors
        return 2 * x * g


class UnspoolExp(us.autograd.Function):
    """e to the power of x."""

    @staticmethod
    def forward(ctx: Any, x: us.Tensor) -> us.Tensor:
        """The result is all that backward needs."""
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """The result times g."""
        (y,) = ctx.saved_tensors
        return y * g


def unspool_slope(engine: Literal["loop", "recursive"], at: float) -> float:
    """The derivative of exp(x²)² through user-defined functions on unspool's tape."""
    x = us.tensor(at, dtype=us.float64, requires_grad=True)
    y = UnspoolSquare.apply(UnspoolExp.apply(UnspoolSquare.apply(x)))
    y.backward(engine=engine)
    assert x.grad is not None
    return float(x.grad.item())


# ---- the picture ----


def draw(path: Path, y: Variable, title: str) -> None:
    """Draw the graph that led to ``y``: one column per generation, cotangents beside the values."""
    from matplotlib.figure import Figure

    columns: dict[int, list[Variable]] = {}
    arrows: list[tuple[Variable, Function, Variable]] = []
    waiting = [y]
    while waiting:
        v = waiting.pop()
        column = columns.setdefault(v.generation, [])
        if v in column:
            continue
        column.append(v)
        for x in v.creator.inputs if v.creator else ():
            arrows.append((x, v.creator, v))  # type: ignore[arg-type]
            waiting.append(x)
    place = {
        id(v): (generation, row - (len(column) - 1) / 2)
        for generation, column in columns.items()
        for row, v in enumerate(column)
    }
    figure = Figure(figsize=(2.6 * len(columns), 3.4), layout="constrained")
    axes = figure.subplots()
    for start, function, end in arrows:
        (x0, y0), (x1, y1) = place[id(start)], place[id(end)]
        axes.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "shrinkA": 26, "shrinkB": 26})
        middle = ((x0 + x1) / 2, (y0 + y1) / 2 + 0.12)
        axes.text(*middle, type(function).__name__, ha="center", color="#1f5fa8")
    for column in columns.values():
        for v in column:
            text = f"{v.data:.4g}\nslope {v.grad:.4g}"
            box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "#9aa5b1"}
            axes.text(*place[id(v)], text, ha="center", va="center", bbox=box)
    axes.set_xticks(range(len(columns)), [f"generation {g}" for g in range(len(columns))])
    axes.set(title=title, yticks=[], xlim=(-0.5, len(columns) - 0.5), ylim=(-1.2, 1.2))
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Print every way's derivative of exp(x²)² and of the graph with a shared value; give them by name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="draw the graphs there, as SVG")
    parser.add_argument("--at", type=float, default=0.5, help="where the derivatives are taken; default: 0.5")
    options = parser.parse_args(argv)

    found: dict[str, float] = {}
    print(f"d/dx exp(x²)² at x = {options.at}")
    for name, way in WAYS.items():
        found[f"chain, {name}"] = slope(way, chain, options.at)
    engines: tuple[Literal["loop"], Literal["recursive"]] = ("loop", "recursive")
    for engine in engines:
        found[f"chain, unspool {engine}"] = unspool_slope(engine, options.at)
    for name, value in found.items():
        print(f"  {name.partition(', ')[2]:<20} {value!r}")

    x = options.at
    print(f"d/dx (a² + a²) with a = x², which is 8 x³ = {8 * x**3!r}")
    for name, way in WAYS.items():
        value = found[f"shared, {name}"] = slope(way, shared, x)
        verdict = "right" if np.isclose(value, 8 * x**3, rtol=1e-12) else "wrong: a was passed twice"
        print(f"  {name:<20} {value!r}  {verdict}")

    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, build in (("chain", chain), ("shared", shared)):
            v = Variable(options.at)
            y = build(v)
            y.grad = np.float64(1.0)
            by_generation(y)
            draw(options.out / f"from_recursion_to_loop_{name}.svg", y, build.__doc__ or "")
    return found


if __name__ == "__main__":
    main()
