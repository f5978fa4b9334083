"""The tape: accumulation, freeing, orders of differentiation, hooks, modes, version counters."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us


def leaf(*values: float) -> Any:
    """A float64 leaf."""
    return us.tensor(values, dtype=us.float64, requires_grad=True)


def test_the_documented_example() -> None:
    x = us.tensor(0.5, dtype=us.float64, requires_grad=True)
    y = ((x**2).exp()) ** 2
    y.backward()
    assert x.grad.item() == pytest.approx(3.297442541400256, rel=1e-15)


def test_gradients_accumulate_in_leaves() -> None:
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * 4).sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]
    assert x.grad is first
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_grad_does_not_accumulate() -> None:
    x = leaf(1.0, 2.0)
    (g,) = us.autograd.grad((x**2).sum(), x)
    assert g.tolist() == [2.0, 4.0]
    assert x.grad is None
    assert not g.requires_grad


def test_a_value_used_many_times_collects_every_part() -> None:
    x = leaf(3.0)
    y = x * x + x * 2 + x
    z = y * y
    (z + y).sum().backward()
    value = 3.0 * 3 + 2 * 3 + 3
    assert x.grad.item() == pytest.approx((2 * value + 1) * (2 * 3 + 3), rel=1e-15)


def test_shared_parts_of_a_graph_are_visited_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2^60 paths
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1.0


def test_leaves_results_and_constants() -> None:
    x = leaf(1.0)
    constant = us.ones(1, dtype=us.float64)
    y = x * constant
    assert x.is_leaf
    assert x.grad_fn is None
    assert not y.is_leaf
    assert y.requires_grad
    assert y.grad_fn is not None
    assert constant.is_leaf
    assert not constant.requires_grad
    assert not (constant * 2).requires_grad
    y.backward()
    assert constant.grad is None
    assert not x.grad.requires_grad


def test_retain_grad_keeps_the_gradient_of_a_result() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    (y * y).backward()
    assert y.grad.item() == 12.0
    assert x.grad.item() == 36.0


def test_retain_graph() -> None:
    x = leaf(2.0)
    y = (x.exp() * x).sum()
    y.backward(retain_graph=True)
    once = x.grad.item()
    y.backward()
    assert x.grad.item() == 2 * once
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()


def test_a_freed_graph_names_what_to_do_and_parts_that_saved_nothing_may_be_reused() -> None:
    x = leaf(2.0)
    y = x + 1
    (y * 2).backward()
    (y * 3).backward()
    assert x.grad.item() == 5.0


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_create_graph_to_any_order(order: int) -> None:
    x = leaf(0.7)
    derivative = x.sin() * x.exp()
    for _ in range(order):
        (derivative,) = us.autograd.grad(derivative.sum(), x, create_graph=True)
    exact = [
        math.exp(0.7) * (math.sin(0.7) + math.cos(0.7)),
        2 * math.exp(0.7) * math.cos(0.7),
        2 * math.exp(0.7) * (math.cos(0.7) - math.sin(0.7)),
        -4 * math.exp(0.7) * math.sin(0.7),
    ]
    assert derivative.item() == pytest.approx(exact[order - 1], rel=1e-13)


def test_fourth_derivative_of_the_documented_example() -> None:
    x = leaf(0.5)
    derivative = ((x**2).exp()) ** 2
    for _ in range(4):
        (derivative,) = us.autograd.grad(derivative, x, create_graph=True)
    value = math.exp(2 * 0.25)  # f = exp(2 x^2), f'''' = (256 x^4 + 384 x^2 + 48) f
    assert derivative.item() == pytest.approx((256 * 0.0625 + 384 * 0.25 + 48) * value, rel=1e-13)


def test_backward_with_create_graph_builds_a_differentiable_gradient() -> None:
    x = leaf(1.0, 2.0)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    (second,) = us.autograd.grad(first.sum(), x)
    assert second.tolist() == [6.0, 12.0]
    x.grad = None


def test_hessian_vector_product() -> None:
    x = leaf(1.0, 2.0, 3.0)
    (g,) = us.autograd.grad((x[0] * x[1] * x[2]).sum(), x, create_graph=True)
    (hv,) = us.autograd.grad(g, x, us.tensor([1.0, 0.0, -1.0], dtype=us.float64))
    assert hv.tolist() == [-2.0, 2.0, 2.0]


def test_grad_of_several_outputs_and_inputs() -> None:
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = us.autograd.grad([x * y, x + y], [x, y])
    assert (gx.item(), gy.item()) == (4.0, 3.0)
    gx, unused = us.autograd.grad(x * 2, [x, y], allow_unused=True)
    assert unused is None
    gx, zero = us.autograd.grad(x * 2, [x, y], allow_unused=True, materialize_grads=True)
    assert zero.item() == 0.0
    with pytest.raises(RuntimeError, match="allow_unused"):
        us.autograd.grad(x * 2, [x, y])


def test_grad_of_an_intermediate_result() -> None:
    x = leaf(2.0)
    y = x * 3
    (gy,) = us.autograd.grad(y**2, y)
    assert gy.item() == 12.0


def test_cotangents() -> None:
    x = leaf(1.0, 2.0, 3.0)
    (x * 2).backward(us.tensor([1.0, 10.0, 100.0], dtype=us.float64))
    assert x.grad.tolist() == [2.0, 20.0, 200.0]
    (g,) = us.autograd.grad(x * x, x, grad_outputs=us.ones(3, dtype=us.float64))
    assert g.tolist() == [2.0, 4.0, 6.0]


def test_cotangents_take_the_dtype_of_their_output() -> None:
    x = us.ones(2, requires_grad=True)
    for dtype in (us.float64, us.int64, us.float16):
        (grad,) = us.autograd.grad(x * 3, x, us.tensor([1, 2], dtype=dtype))
        assert (grad.dtype, grad.tolist()) == (us.float32, [3, 6])
    weight = us.tensor([1.0, 2.0], dtype=us.float64, requires_grad=True)
    (grad,) = us.autograd.grad(x * x, x, weight, create_graph=True)
    (back,) = us.autograd.grad(grad.sum(), weight)
    assert (back.dtype, back.tolist()) == (us.float64, [2, 2])


def test_backward_inputs_restricts_accumulation() -> None:
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward(inputs=[x])
    assert x.grad.item() == 3.0
    assert y.grad is None


def test_modes() -> None:
    x = leaf(1.0)
    with us.no_grad():
        assert not us.is_grad_enabled()
        assert not (x * 2).requires_grad
        with us.enable_grad():
            assert (x * 2).requires_grad
        assert not us.is_grad_enabled()
    assert us.is_grad_enabled()
    with us.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    with us.inference_mode() if hasattr(us, "inference_mode") else us.no_grad():
        assert not (x * 2).requires_grad

    @us.no_grad()
    def silent(value: Any) -> Any:
        """Keeps its name."""
        return value * 2

    assert silent.__name__ == "silent"
    assert not silent(x).requires_grad
    with pytest.raises(LookupError), us.no_grad():
        raise LookupError
    assert us.is_grad_enabled()


def test_detach_cuts_the_graph_and_shares_storage() -> None:
    x = leaf(2.0)
    y = x * 3
    z = y.detach()
    assert z.data_ptr() == y.data_ptr()
    assert not z.requires_grad
    (y * z).backward()
    assert x.grad.item() == 18.0
    assert not x.detach().requires_grad
    w = (x * 2).detach_()
    assert w.is_leaf
    assert not w.requires_grad


def test_leaves_can_be_updated_without_the_tape() -> None:
    x = leaf(1.0, 2.0)
    (x**2).sum().backward()
    with us.no_grad():
        x -= 0.1 * x.grad
    np.testing.assert_allclose(x.detach().numpy(), [0.8, 1.6])
    assert x.is_leaf
    assert x.requires_grad
    x.requires_grad_(False)
    assert not (x * 2).requires_grad


def test_in_place_on_results_is_differentiated() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y.mul_(x)
    y.add_(x, alpha=2)
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0, 8.0]


def test_in_place_on_a_view_of_a_result_is_differentiated() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 1
    y[1:].mul_(10)
    y[0] = v[0] * 3
    assert y.tolist() == [15.0, 20.0, 30.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 10.0, 10.0]
    assert v.grad.tolist() == [3.0]


def test_copy_into_a_constant_makes_it_a_result() -> None:
    x = leaf(1.0, 2.0)
    target = us.zeros(2, dtype=us.float64)
    target.copy_(x * 3)
    assert target.requires_grad
    target.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


CHANGES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], str, str]] = {
    "mul and add_": (lambda m: m * m, lambda m: m.add_(1), "mul", "add_"),
    "sin and mul_": (lambda m: m.sin(), lambda m: m.mul_(2), "sin", "mul_"),
    "log and zero_": (lambda m: m.log(), lambda m: m.zero_(), "log", "zero_"),
    "matmul and sub_": (lambda m: m.reshape(1, 2) @ m, lambda m: m.sub_(1), "mm", "sub_"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_saved_value_names_both_operations(name: str) -> None:
    save, change, saver, changer = CHANGES[name]
    middle = leaf(1.0, 2.0) * 1.5
    result = save(middle)
    change(middle)
    with pytest.raises(RuntimeError) as info:
        result.sum().backward()
    assert saver in str(info.value)
    assert changer.rstrip("_") in str(info.value)


def test_changing_a_value_that_nobody_saved_is_fine() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 1
    y.add_(5)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    a = leaf(1.0)
    b = a.exp()
    c = b * 1.0
    c.add_(1)
    c.sum().backward()
    assert a.grad.item() == math.e


def test_version_counts_changes() -> None:
    x = us.zeros(3)
    assert x._version == 0
    x.add_(1)
    x[0] = 2
    assert x._version == 2
    view = x[1:]
    view.mul_(2)
    assert x._version == view._version == 3
    assert x.detach()._version == 3
    assert x.clone()._version == 0


def test_hooks_see_and_replace_gradients() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    seen: list[Any] = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]]
    assert x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    handle.remove()
    y.sum().backward()
    assert len(seen) == 1


def test_hooks_on_leaves() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g * 2)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    z = leaf(1.0)
    calls: list[float] = []
    z.register_post_accumulate_grad_hook(lambda t: calls.append(t.grad.item()))
    (z * 2 + z * 3).backward()
    assert calls == [5.0]


def test_gradients_of_float32_and_broadcast_numbers_have_the_leaf_shape_and_dtype() -> None:
    x = us.ones((), requires_grad=True)
    w = us.ones(3, 1, requires_grad=True)
    (x * w * us.ones(2, 3, 4)).sum().backward()
    assert x.grad.shape == ()
    assert x.grad.item() == 24.0
    assert tuple(w.grad.shape) == (3, 1)
    assert w.grad.dtype == us.float32
    mixed = us.ones(2, requires_grad=True)
    (mixed * us.ones(2, dtype=us.float64)).sum().backward()
    assert mixed.grad.dtype == us.float32


def test_the_graph_keeps_no_more_than_it_needs() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    reference = weakref.ref(y)
    z = y + 1
    del y
    gc.collect()
    assert reference() is None
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_memory_returns_after_a_graph_is_dropped() -> None:
    def round_trip() -> None:
        x = us.ones(1000, requires_grad=True)
        y = x
        for _ in range(200):
            y = (y * 1.01).tanh()
        y.sum().backward()

    round_trip()
    gc.collect()
    before = us.memory_stats()["allocated_bytes"] if hasattr(us, "memory_stats") else 0
    for _ in range(5):
        round_trip()
    gc.collect()
    after = us.memory_stats()["allocated_bytes"] if hasattr(us, "memory_stats") else 0
    assert after <= before


def test_a_graph_can_be_used_from_another_thread() -> None:
    import threading

    results: list[list[float]] = []

    def work(scale: float) -> None:
        x = us.ones(1000, dtype=us.float64, requires_grad=True)
        for _ in range(20):
            x.grad = None
            ((x * scale).tanh() ** 2).sum().backward()
        results.append(x.grad[:2].tolist())

    threads = [threading.Thread(target=work, args=(1.0,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(r == results[0] for r in results)


def test_no_grad_is_local_to_its_thread() -> None:
    import threading

    seen: list[bool] = []
    with us.no_grad():
        thread = threading.Thread(target=lambda: seen.append(us.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_retained_gradients_are_those_after_all_hooks() -> None:
    x = us.ones(2, requires_grad=True)
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    (y * 3).sum().backward()
    assert y.grad is not None
    assert y.grad.tolist() == [15.0, 15.0]


def test_a_leaf_that_was_frozen_after_the_forward_pass_gets_no_gradient() -> None:
    frozen, other = us.ones(2, requires_grad=True), us.ones(2, requires_grad=True)
    loss = (frozen * other).sum()
    frozen.requires_grad_(False)
    loss.backward()
    assert frozen.grad is None
    assert other.grad is not None


def test_tensors_may_come_from_any_iterable() -> None:
    inputs = {"a": us.tensor([1.0, 2.0], requires_grad=True), "b": us.tensor([3.0, 4.0], requires_grad=True)}
    outputs = {"product": (inputs["a"] * inputs["b"]).sum()}
    seeds = {"product": us.tensor(2.0)}
    for found in (
        us.autograd.grad(outputs.values(), inputs.values(), seeds.values(), retain_graph=True),
        us.autograd.grad(iter(outputs.values()), iter(inputs.values()), iter(seeds.values()), True),
    ):
        assert [each.tolist() for each in found] == [[6, 8], [2, 4]]
    us.autograd.backward(outputs.values(), seeds.values(), inputs=inputs.values())
    assert [each.grad.tolist() for each in inputs.values()] == [[6, 8], [2, 4]]
    with pytest.raises(TypeError, match="outputs must be a Tensor or a sequence of Tensors, not str"):
        us.autograd.grad(outputs, inputs.values())
    with pytest.raises(TypeError, match="inputs must be a Tensor or a sequence of Tensors, not int"):
        us.autograd.grad(us.ones(1), 5)
