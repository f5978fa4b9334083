"""Recomputation of a part: the same bits as without it, whatever it does, and memory that is given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import Tensor, _core, nn
from unspool.nn import functional as F
from unspool.utils.checkpoint import checkpoint as torch_checkpoint
from unspool.utils.checkpoint import checkpoint_sequential

Part = Callable[[Tensor], Any]


def same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a.detach().numpy(), b.detach().numpy())


def plainly(fn: Any, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)


def block(norm: bool = True, dropout: float = 0.4) -> nn.Module:
    us.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8) if norm else nn.Identity(),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(8, 3, 3, padding=1),
        nn.GELU(),
    )


def trained(call: Any) -> tuple[list[Tensor], Tensor]:
    model = block()
    us.manual_seed(3)
    x = us.randn(4, 3, 8, 8, requires_grad=True)
    y = call(model, call(model, x))
    y.pow(2).sum().backward()
    state = [t.clone() for t in model.state_dict().values()]
    assert x.grad is not None
    return [*(p.grad for p in model.parameters() if p.grad is not None), x.grad, *state], us.rand(3)


def test_gradients_statistics_and_random_numbers_are_those_without_it() -> None:
    (plain, after_plain), (dropped, after_dropped) = trained(plainly), trained(us.checkpoint)
    assert len(plain) == len(dropped)
    assert all(same(a, b) for a, b in zip(plain, dropped, strict=True))
    assert same(after_plain, after_dropped)


def test_activations_are_given_back_and_computed_again() -> None:
    us.manual_seed(0)
    model = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(16)))
    x = us.randn(256, 64)

    def held(call: Any) -> int:
        before = us.memory_stats()["allocated_bytes"]
        y = call(model, x)
        kept = us.memory_stats()["allocated_bytes"] - before
        y.sum().backward()
        model.zero_grad()
        return int(kept)

    size = x.numel() * 4
    assert held(plainly) > 15 * size
    before = _core._replayed_calls()
    assert held(us.checkpoint) < 2 * size
    # 16 products and 16 tanh; the last of each: the product is read by nobody, the result is still there.
    assert _core._replayed_calls() - before == 30


def nested(call: Any) -> Callable[[Tensor, list[Tensor]], Tensor]:
    def whole(x: Tensor, weights: list[Tensor]) -> Tensor:
        for w in weights:
            x = call(lambda h, w=w: F.dropout(us.tanh(h @ w), 0.2), x)
        return x

    return whole


def test_parts_inside_of_parts() -> None:
    us.manual_seed(1)
    weights = [us.randn(16, 16, requires_grad=True) for _ in range(5)]
    x = us.randn(8, 16, requires_grad=True)
    found = []
    for call in (plainly, us.checkpoint):
        us.manual_seed(2)
        y = call(nested(call), x, weights)
        found.append(us.autograd.grad(y.sum(), [x, *weights]))
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def test_inner_parts_are_dropped_again_while_the_outer_one_is_recomputed() -> None:
    def step(depth: int, x: Tensor) -> Tensor:
        if depth == 0:
            for _ in range(8):
                x = us.tanh(x)
            return x
        return us.checkpoint(step, depth - 1, us.checkpoint(step, depth - 1, x))

    x = us.randn(64, 1024, requires_grad=True)
    y = step(3, x)
    us.reset_peak_memory_stats()
    before = us.memory_stats()["allocated_bytes"]
    y.sum().backward()
    # Of 64 activations: 8 of the innermost part, one input of each level, cotangents, the gradient.
    peak = us.memory_stats()["peak_allocated_bytes"] - before
    assert peak < 16 * x.numel() * 4


def test_keywords_several_results_and_what_is_read_from_outside() -> None:
    us.manual_seed(0)
    x, w = us.randn(5, 5, requires_grad=True), us.randn(5, 5, requires_grad=True)

    def part(a: Tensor, *, scale: float, extra: dict[str, Tensor]) -> tuple[Tensor, dict[str, Any]]:
        h = us.sigmoid(a @ w) * scale
        return h, {"twice": [h.exp() + extra["t"], 7], "label": "x"}

    found = []
    for call in (plainly, us.checkpoint):
        h, rest = call(part, x, scale=0.5, extra={"t": w.sin()})
        assert rest["label"] == "x"
        assert rest["twice"][1] == 7
        found.append((h, *us.autograd.grad((h * rest["twice"][0]).sum(), [x, w])))
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def test_gradients_of_gradients() -> None:
    us.manual_seed(0)
    x, w = us.randn(4, 4, requires_grad=True), us.randn(4, 4, requires_grad=True)

    def part(a: Tensor) -> Tensor:
        h = us.tanh(a @ w)
        return (h * h.exp()).mean(0)

    found = []
    for call in (plainly, us.checkpoint):
        (first,) = us.autograd.grad(call(part, x).sum(), [x], create_graph=True)
        found.append((first, *us.autograd.grad(first.pow(2).sum(), [x, w])))
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def test_changes_in_place_inside_are_repeated() -> None:
    us.manual_seed(0)
    x, w = us.randn(6, 6, requires_grad=True), us.randn(6, requires_grad=True)

    def part(a: Tensor) -> Tensor:
        h = a * w
        h.mul_(w).add_(1)
        h[1:3].mul_(h[2:4].exp())
        mask = us.zeros_like(h).bernoulli_(0.5)
        return (h.relu_() * mask).sin()

    found = []
    for call in (plainly, us.checkpoint):
        us.manual_seed(5)
        found.append(us.autograd.grad(call(part, x).sum(), [x, w]))
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def test_what_is_changed_in_place_outside_is_read_as_it_was() -> None:
    count = us.zeros(3)
    x = us.ones(3, requires_grad=True)

    def part(a: Tensor) -> Tensor:
        h = us.exp(a + count)
        count.add_(1)
        return us.exp(h * count)

    plain = us.autograd.grad(part(x).sum(), x)
    count.zero_()
    dropped = us.autograd.grad(us.checkpoint(part, x).sum(), x)
    assert same(plain[0], dropped[0])
    assert count.tolist() == [1, 1, 1]


def test_an_input_that_is_overwritten_afterwards_is_an_error_and_no_wrong_number() -> None:
    x, w = us.ones(3), us.ones(3, requires_grad=True)
    y = us.checkpoint(lambda a: us.exp(a + w).exp(), x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="overwritten in place"):
        y.sum().backward()


def test_a_graph_can_be_unwound_twice() -> None:
    x = us.randn(4, requires_grad=True)
    y = us.checkpoint(lambda a: a.sin().exp().tanh(), x).sum()
    first = us.autograd.grad(y, x, retain_graph=True)
    assert same(first[0], us.autograd.grad(y, x)[0])


def test_nothing_is_kept_where_no_gradients_are_recorded() -> None:
    x = us.randn(4, requires_grad=True)
    with us.no_grad():
        y = us.checkpoint(us.exp, x)
    assert not y.requires_grad
    assert same(y, x.exp())


def test_a_leaf_made_inside_gets_its_gradient() -> None:
    made = []

    def part(a: Tensor) -> Tensor:
        leaf = (a * 2).detach().requires_grad_()
        made.append(leaf)
        return (leaf * leaf).exp()

    us.checkpoint(part, us.ones(2)).sum().backward()
    grad = made[0].grad
    assert grad is not None
    assert np.allclose(grad.numpy(), 4 * np.exp(4))


def test_memory_that_numpy_sees_is_not_dropped() -> None:
    def part(a: Tensor) -> Tensor:
        h = a.exp()
        h.detach().numpy()[0] = 5
        return h.sin()

    x = us.zeros(2, requires_grad=True)
    us.checkpoint(part, x).sum().backward()
    assert x.grad is not None
    assert np.allclose(x.grad.numpy(), [np.cos(5) * 5, np.cos(1)])


def test_an_exception_inside_leaves_nothing_behind() -> None:
    def part(a: Tensor) -> Tensor:
        raise KeyError("a")

    x = us.ones(2, requires_grad=True)
    with pytest.raises(KeyError):
        us.checkpoint(part, x)
    assert us.checkpoint(us.exp, x).requires_grad


def test_inside_of_a_captured_step() -> None:
    model = block(dropout=0)
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)

    @us.compile
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = us.checkpoint(model, x).pow(2).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = us.randn(2, 3, 4, 4)
    losses = [float(step(x)) for _ in range(3)]
    assert losses[2] < losses[0]
    assert step.cache_info().hits == 2


def test_a_chain_of_a_million_operations_is_freed() -> None:
    def part(a: Tensor) -> Tensor:
        for _ in range(100_000):
            a = a.neg()
        return a.exp()

    x = us.ones(1, requires_grad=True)
    y = us.checkpoint(part, x)
    del y
    us.checkpoint(part, x).backward()
    assert x.grad is not None


@pytest.mark.parametrize("use_reentrant", [None, False, True])
def test_under_pytorchs_name(use_reentrant: bool | None) -> None:
    x = us.randn(3, requires_grad=True)
    y = torch_checkpoint(us.exp, x, use_reentrant=use_reentrant, preserve_rng_state=False)
    assert same(us.autograd.grad(y.sum(), x)[0], x.exp())


def test_the_older_variant_has_its_restrictions() -> None:
    x = us.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: scale"):
        torch_checkpoint(lambda a, scale=1: a * scale, x, use_reentrant=True, scale=2)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        torch_checkpoint(us.exp, x, use_reentrant=True, debug=True)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        assert not torch_checkpoint(lambda a: a * x, us.ones(2), use_reentrant=True).requires_grad
    assert torch_checkpoint(lambda a: a * x, us.ones(2), use_reentrant=False).requires_grad
    with pytest.raises(ValueError, match="determinism_check"):
        torch_checkpoint(us.exp, x, determinism_check="x")
    with pytest.raises(NotImplementedError, match="context_fn"):
        torch_checkpoint(us.exp, x, context_fn=lambda: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("segments", [1, 2, 3, 7])
def test_a_chain_in_segments(segments: int) -> None:
    us.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(7)))
    x = us.randn(2, 4, requires_grad=True)
    parameters = [x, *model.parameters()]
    plain = us.autograd.grad(model(x).pow(2).sum(), parameters)
    y = checkpoint_sequential(model, segments, x, use_reentrant=False)
    dropped = us.autograd.grad(y.pow(2).sum(), parameters)
    assert all(same(a, b) for a, b in zip(plain, dropped, strict=True))
    with pytest.raises(ValueError, match="segments must be between 1 and the 7 functions"):
        checkpoint_sequential(model, 8, x)
