"""The walk back over the tape: its order, and where cotangents go unchecked because they cannot but fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import unspool as us

ENGINES = ("loop", "recursive")


class Graph:
    """A random graph of sums, products and differences over two leaves, and its gradient by plain Python."""

    def __init__(self, seed: int, nodes: int, recent: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.calls: list[tuple[str, int, int]] = []
        for place in range(2, nodes + 2):
            first, second = self.rng.integers(max(0, place - recent), place, size=2)
            self.calls.append(
                (str(self.rng.choice(["add", "sub", "mul", "one", "half"])), int(first), int(second))
            )

    def forward(self, values: list) -> list:
        for kind, first, second in self.calls:
            a, b = values[first], values[second]
            values.append(
                {
                    "add": lambda a=a, b=b: a + b,
                    "sub": lambda a=a, b=b: a - b,
                    "mul": lambda a=a, b=b: a * b * 0.125,
                    "one": lambda a=a: a + 1,
                    "half": lambda a=a: a * 0.5,
                }[kind]()
            )
        return values

    def gradients(self, values: list[np.ndarray]) -> list[np.ndarray]:
        grads = [np.zeros_like(value) for value in values]
        grads[-1] += 1
        for place in range(len(values) - 1, 1, -1):
            kind, first, second = self.calls[place - 2]
            g = grads[place]
            if kind in ("add", "one"):
                grads[first] += g
            if kind in ("add", "sub"):
                grads[second] += g if kind == "add" else -g
            if kind == "sub":
                grads[first] += g
            if kind == "half":
                grads[first] += g * 0.5
            if kind == "mul":
                to_first, to_second = g * 0.125 * values[second], g * 0.125 * values[first]
                grads[first] += to_first
                grads[second] += to_second
        return grads[:2]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("nodes", "recent"), [(40, 2), (60, 6), (200, 40), (400, 400)])
def test_graphs_of_any_width_are_walked_from_the_latest_node(nodes: int, recent: int, engine: str) -> None:
    for seed in range(5):
        graph = Graph(seed, nodes, recent)
        starts = [graph.rng.uniform(-1, 1, size=3) for _ in range(2)]
        leaves = [us.tensor(start, requires_grad=True) for start in starts]
        result = graph.forward(list(leaves))[-1]
        expected = graph.gradients(graph.forward([start.copy() for start in starts]))
        if not result.requires_grad:
            continue
        result.sum().backward(engine=engine)
        for leaf, gradient in zip(leaves, expected, strict=True):
            found = np.zeros(3) if leaf.grad is None else leaf.grad.numpy()
            np.testing.assert_allclose(found, gradient, rtol=1e-12, atol=1e-12)


def test_many_branches_that_meet_are_each_walked_once() -> None:
    x = us.tensor([1.0, -2.0], dtype=us.float64, requires_grad=True)
    calls = []
    branches = []
    for k in range(300):
        branch = x * float(k)
        branch.register_hook(lambda g, k=k: calls.append(k))
        branches.append(branch + 1)
    us.stack(branches[::-1]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [sum(range(300))] * 2
    assert calls == list(range(299, -1, -1))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cotangent_that_is_passed_on_stays_that_of_the_output(engine: str) -> None:
    x = us.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x + 1
    z = y - 2
    y.retain_grad()
    z.retain_grad()
    seed = us.tensor([1.0, 10.0, 100.0])
    z.backward(seed, retain_graph=True, engine=engine)
    z.backward(seed, engine=engine)
    for tensor in (x, y, z):
        assert tensor.grad is not None
        assert tensor.grad.tolist() == [2.0, 20.0, 200.0]
    assert seed.tolist() == [1.0, 10.0, 100.0]


def test_passing_on_can_be_differentiated_again() -> None:
    x = us.tensor([1.0, 2.0], dtype=us.float64, requires_grad=True)
    y = (x + 1) ** 3
    (first,) = us.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = us.autograd.grad((first + 1).sum(), x)
    assert second.tolist() == [12.0, 18.0]


def test_a_gradient_that_a_hook_has_widened_arrives_in_the_dtype_of_the_leaf() -> None:
    x = us.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g.double() * 2)
    (y + 1).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == us.float32
    assert x.grad.tolist() == [6.0, 6.0]


def test_a_gradient_of_a_leaf_that_was_given_other_data_is_not_taken() -> None:
    x = us.ones(4, requires_grad=True)
    y = x + 1
    x.data = us.ones(3)
    with pytest.raises(RuntimeError, match=r"gradient of shape \(4,\) for input 0, whose shape is \(3,\)"):
        y.backward(us.ones(4))


def test_a_gradient_of_a_changed_tensor_that_was_given_other_data_is_not_taken() -> None:
    x = us.ones(8, requires_grad=True)
    y = x * 1
    y[2:5] = x[2:5] * 2
    y.data = us.ones(2)
    with pytest.raises(RuntimeError, match=r"gradient of shape \(2,\) for input 0, whose shape is \(8,\)"):
        (y + 1).backward(us.ones(2))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_several_threads_have_built_is_walked_from_results_to_operands(engine: str) -> None:
    def extended(y: us.Tensor, x: us.Tensor, step: int) -> us.Tensor:
        return (y * 0.75 + x, y - x * 0.5, 1.5 - y, us.tanh(y) * y)[step % 4]

    def graph(x: us.Tensor, run: list) -> us.Tensor:
        y = x
        for step in range(60):
            y = run[step * step % len(run)](extended, y, x, step)
        return y

    start = np.linspace(-1, 1, 4)
    alone = us.tensor(start, requires_grad=True)
    graph(alone, [lambda f, *args: f(*args)]).sum().backward()
    shared = us.tensor(start, requires_grad=True)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        run = [
            lambda f, *args: f(*args),
            lambda f, *args: one.submit(f, *args).result(),
            lambda f, *args: other.submit(f, *args).result(),
        ]
        y = graph(shared, run)
    waiting, numbers = [y.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node.sequence in numbers:
            continue
        numbers.add(node.sequence)
        for before, _ in node.next_functions:
            if before is None or before.sequence == 0:
                continue
            assert before.sequence < node.sequence
            waiting.append(before)
    y.sum().backward(engine=engine)
    np.testing.assert_allclose(shared.grad.numpy(), alone.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_operands_at_the_end_that_lead_nowhere_take_no_part(engine: str) -> None:
    """Numbers, tensors without gradient and absent operands behind the last that has one."""
    x = us.tensor([0.3, -0.7, 1.1], dtype=us.float64, requires_grad=True)
    low, high = us.tensor([-0.5] * 3, dtype=us.float64), us.tensor([0.9] * 3, dtype=us.float64)
    calls = {
        "number": (lambda v: v * 3 + 1, lambda v: np.full(3, 3.0)),
        "tensor": (lambda v: v * high - low, lambda v: np.full(3, 0.9)),
        "two": (lambda v: us.addcmul(v * 2, low, high, value=0.5), lambda v: np.full(3, 2.0)),
        "weight": (lambda v: us.lerp(v, high, 0.25), lambda v: np.full(3, 0.75)),
        "absent": (lambda v: v.clamp(-0.5), lambda v: (v >= -0.5) * 1.0),
        "power": (lambda v: (v * v) ** 1.5, lambda v: 3 * v * np.abs(v)),
        "choice": (lambda v: us.where(v > 0, v * v, 0.0), lambda v: 2 * v * (v > 0)),
    }
    for name, (call, slope) in calls.items():
        x.grad = None
        call(x).sum().backward(engine=engine)
        np.testing.assert_allclose(x.grad.numpy(), slope(x.detach().numpy()), rtol=1e-12, err_msg=name)
