"""``backward(engine="recursive")``: the same bits as the loop, at any depth, on any stack."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unspool as us
import unspool.nn.functional as F
from unspool import nn

ENGINES = ("loop", "recursive")
Build = Callable[[], tuple[us.Tensor, list[us.Tensor]]]


def gradients(build: Build, engine: str) -> list[np.ndarray]:
    us.manual_seed(0)
    loss, leaves = build()
    loss.backward(engine=engine)
    return [leaf.grad.numpy() for leaf in leaves]


def assert_same_bits(build: Build) -> None:
    for loop, recursive in zip(*(gradients(build, engine) for engine in ENGINES), strict=True):
        assert loop.tobytes() == recursive.tobytes()


def mlp() -> tuple[us.Tensor, list[us.Tensor]]:
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.3), nn.Linear(7, 3))
    loss = F.cross_entropy(model(us.randn(11, 5)), us.randint(0, 3, (11,)))
    return loss, list(model.parameters())


def residual() -> tuple[us.Tensor, list[us.Tensor]]:
    layers = [nn.Linear(6, 6) for _ in range(8)]
    x = us.randn(4, 6)
    for layer in layers:
        x = x + layer(x).tanh()
    return x.square().mean(), [p for layer in layers for p in layer.parameters()]


def tied() -> tuple[us.Tensor, list[us.Tensor]]:
    w = us.randn(6, 6, requires_grad=True)
    x = us.randn(6)
    for _ in range(9):
        x = (w @ x).sin()
    return x.sum(), [w]


def recurrent() -> tuple[us.Tensor, list[us.Tensor]]:
    cell = nn.LSTM(3, 5, num_layers=2)
    out, _ = cell(us.randn(6, 2, 3))
    return out.square().sum(), list(cell.parameters())


def written_in_place() -> tuple[us.Tensor, list[us.Tensor]]:
    a = us.randn(6, requires_grad=True)
    y = us.zeros(6)
    for i in range(6):
        y[i] = a[i] * a[(i + 1) % 6]
    return (y * y.exp()).sum(), [a]


@pytest.mark.parametrize(
    "build", [mlp, residual, tied, recurrent, written_in_place], ids=lambda f: f.__name__
)
def test_recursion_gives_the_bits_of_the_loop(build: Build) -> None:
    assert_same_bits(build)


# One step of a random program: which values are combined, and how.
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_on_random_graphs_sums_are_formed_in_the_order_of_the_loop(steps: list[tuple[int, int, int]]) -> None:
    def build() -> tuple[us.Tensor, list[us.Tensor]]:
        leaves = [us.randn(3, requires_grad=True) for _ in range(3)]
        values = list(leaves)
        for kind, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append((a + b if kind == 0 else a * b if kind == 1 else a.sin() + b.cos()) / 2)
        used = sum((v.sum() * (0.1 + n) for n, v in enumerate(values)), us.zeros(()))
        return used, leaves

    assert_same_bits(build)


@pytest.mark.parametrize("engine", ENGINES)
def test_grad_asks_for_inner_values_too(engine: str) -> None:
    x = us.tensor([0.3, -0.8], requires_grad=True)
    h = x.exp()
    y = (h * h + x).sum()
    inner, outer = us.autograd.grad(y, [h, x], engine=engine)
    np.testing.assert_array_equal(inner.numpy(), (2 * h).detach().numpy())
    np.testing.assert_allclose(outer.numpy(), 2 * np.exp(2 * x.detach().numpy()) + 1, rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_higher_derivatives(engine: str) -> None:
    x = us.tensor(0.7, dtype=us.float64, requires_grad=True)
    (first,) = us.autograd.grad(x.sin() * x, x, create_graph=True, engine=engine)
    (second,) = us.autograd.grad(first, x, engine=engine)
    assert second.item() == pytest.approx(2 * np.cos(0.7) - 0.7 * np.sin(0.7), rel=1e-14)


def test_several_outputs_inputs_and_a_kept_graph() -> None:
    found = []
    for engine in ENGINES:
        us.manual_seed(3)
        a, b = us.randn(4, requires_grad=True), us.randn(4, requires_grad=True)
        first, second = (a * b).sum(), (a / (b * b + 1)).sum()
        us.autograd.backward([first, second], inputs=[a], retain_graph=True, engine=engine)
        assert b.grad is None
        us.autograd.backward([first, second], engine=engine)
        found.append([a.grad.numpy(), b.grad.numpy()])
    for loop, recursive in zip(*found, strict=True):
        np.testing.assert_array_equal(loop, recursive)


@pytest.mark.parametrize("clip", [None, "exact"])
def test_updates_while_unwinding(clip: str | None) -> None:
    weights = []
    for engine in ENGINES:
        us.manual_seed(5)
        model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))
        optimizer = us.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(20):
            loss = (model(us.randn(8, 4)) ** 2 * model[2].weight.sum()).mean()
            limit = 0.5 if clip else None
            loss.backward(step=optimizer, clip=clip, max_norm=limit, engine=engine)
        weights.append([p.detach().numpy() for p in model.parameters()])
    for loop, recursive in zip(*weights, strict=True):
        assert loop.tobytes() == recursive.tobytes()


def test_hooks_see_complete_gradients() -> None:
    x = us.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    (y * y + y).sum().backward(engine="recursive")
    assert seen == [[7.0, 13.0]]
    assert x.grad.tolist() == [210.0, 390.0]


def test_errors_are_those_of_the_loop() -> None:
    x = us.ones(3, requires_grad=True)
    y = x.exp()
    y.sum().backward(engine="recursive")
    with pytest.raises(RuntimeError, match="already freed"):
        y.sum().backward(engine="recursive")
    with pytest.raises(ValueError, match="'loop' or 'recursive', got 'sideways'"):
        x.sum().backward(engine="sideways")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grad: engine"):
        us.autograd.grad(x.sum(), x, engine="")  # type: ignore[call-overload]


def test_an_exception_from_deep_inside_leaves_the_engine_usable() -> None:
    def fail(_: us.Tensor) -> None:
        raise KeyError("from a hook")

    x = us.ones(2, requires_grad=True)
    y = x
    for i in range(30_000):
        y = y * 1.0
        if i == 15_000:
            y.register_hook(fail)
    with pytest.raises(KeyError, match="from a hook"):
        y.sum().backward(engine="recursive")
    (x * 2).sum().backward(engine="recursive")
    assert x.grad.tolist() == [2.0, 2.0]


DEEP = """
import resource, threading, time
resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
import unspool as us

def run():
    x = us.ones(1, requires_grad=True)
    y = x
    for _ in range({depth}):
        y = y * 1.0
    y.backward(engine="{engine}")
    assert x.grad.item() == 1.0
    start = time.process_time()
    del y
    print("freed in", time.process_time() - start)

if {stack}:
    threading.stack_size({stack})
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not thread.is_alive()
else:
    run()
"""


def run_deep(depth: int, engine: str, stack: int = 0) -> float:
    code = textwrap.dedent(DEEP).format(depth=depth, engine=engine, stack=stack)
    limit = resource.getrlimit(resource.RLIMIT_STACK)[1]
    soft = 8 << 20 if limit == resource.RLIM_INFINITY else min(8 << 20, limit)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (soft, limit)),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout.split()[-1])


@pytest.mark.parametrize("stack", [0, 64 << 10, 256 << 10], ids=["main thread", "64 KiB", "256 KiB"])
def test_a_chain_of_200_000_operations_on_a_small_stack(stack: int) -> None:
    run_deep(200_000, "recursive", stack)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_chain_of_ten_million_operations(engine: str) -> None:
    assert run_deep(10_000_000, engine) < 3.0
