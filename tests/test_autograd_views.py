"""Changing views in place: gradients, histories of bases and of other views, and what is refused."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import gradcheck, gradgradcheck


def drawn(*shape: int, seed: int = 0) -> Any:
    """A leaf of float64 that requires grad."""
    values = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return us.tensor(values, dtype=us.float64, requires_grad=True)


def write_row(x: Any, w: Any) -> Any:
    y = x * 1
    y[1] = w[0] * x[0]
    return y


def scale_slice(x: Any, w: Any) -> Any:
    y = x * x
    y[1:].mul_(w[1:])
    return y


def square_in_place(x: Any, w: Any) -> Any:
    y = x * w
    part = y[:, 1]
    part.mul_(part)
    return y


def exp_of_column(x: Any, w: Any) -> Any:
    y = x * w
    y[..., 0].exp_()
    return y


def nested_views(x: Any, w: Any) -> Any:
    y = x * 1
    y[0:2].transpose(0, 1)[1].mul_(w[0, :2])
    return y * y


def chain_of_writes(x: Any, w: Any) -> Any:
    out = us.zeros(5, 3, dtype=us.float64)
    out[0] = x[0]
    for i in range(1, 5):
        out[i] = (out[i - 1] + x[1]) * w[i % 3]
    return out


def reads_through_an_old_view(x: Any, w: Any) -> Any:
    y = x * 1
    row = y[1]
    y[1].mul_(w[0])
    y.add_(w)
    return row * row


def writes_through_two_views(x: Any, w: Any) -> Any:
    y = x * 1
    a, b = y[0], y[:, 0]
    a.mul_(w[0])
    b.mul_(w[:, 0])
    return (a * w[1]).sum() + (b * b).sum() + (y * y).sum()


def constant_region(x: Any, w: Any) -> Any:
    y = x * w
    y[0] = 3.0
    y[1:, 1].zero_()
    y[2].fill_(2.0)
    return y * y


def masked(x: Any, w: Any) -> Any:
    y = x * x
    y[1:].masked_fill_(w[1:] > 1.2, 5.0)
    y[x > 1.5] = 7.0
    return y * w


def diagonal(x: Any, w: Any) -> Any:
    y = x * w
    y.diagonal().mul_(w[0])
    return y


def into_a_transposed_base(x: Any, w: Any) -> Any:
    y = us.from_numpy(np.asfortranarray(np.ones((3, 3))))
    y[1] = x[1]
    y[:, 0].mul_(w[0])
    return y * y


def overlapping_read(x: Any, w: Any) -> Any:
    y = x * 1
    y[1:] = y[:-1] + w[:-1]
    y[:2] += y[1:]
    return y


def as_strided_windows(x: Any, w: Any) -> Any:
    return x.as_strided((3, 3), (2, 1)) * w


def unfolded(x: Any, w: Any) -> Any:
    return x.t().unfold(1, 2, 1) * w[:, :2, None]


def own_operand(x: Any, w: Any) -> Any:
    y = x * w
    y.mul_(y)
    return y


def divide_in_place(x: Any, w: Any) -> Any:
    y = x * 1
    y.div_(w)
    y.pow_(3)
    return y


CASES: tuple[Callable[..., Any], ...] = (
    write_row,
    scale_slice,
    square_in_place,
    exp_of_column,
    nested_views,
    chain_of_writes,
    reads_through_an_old_view,
    writes_through_two_views,
    constant_region,
    masked,
    diagonal,
    into_a_transposed_base,
    overlapping_read,
    as_strided_windows,
    unfolded,
    own_operand,
    divide_in_place,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_gradients_and_second_gradients(case: Callable[..., Any]) -> None:
    x, w = drawn(3, 3), drawn(3, 3, seed=1)
    assert gradcheck(case, (x, w))
    assert gradgradcheck(case, (x, w))


def test_thousands_of_writes_neither_recurse_nor_leak() -> None:
    w = us.ones(4, requires_grad=True)
    out = us.zeros(20_000, 4)
    for i in range(20_000):
        out[i] = w * 2
    out.sum().backward()
    assert w.grad.tolist() == [40_000.0] * 4
    alive = weakref.ref(out)
    del out
    gc.collect()
    assert alive() is None


def test_a_base_that_reads_its_own_views_is_freed() -> None:
    w = us.ones(3, requires_grad=True)
    x = us.zeros(3, 3) + w
    x[0].mul_(x[1] * x[2])
    x.add_(x[1] * w)
    alive = weakref.ref(x)
    del x
    gc.collect()
    assert alive() is None


def test_views_follow_their_base() -> None:
    w = us.ones(3, requires_grad=True)
    y = us.zeros(2, 3)
    view = y[0]
    assert not view.requires_grad
    assert view.is_leaf
    y[0] = w * 3
    assert view.requires_grad
    assert not view.is_leaf
    assert y.grad_fn is not None
    view.sum().backward(retain_graph=True)
    assert w.grad.tolist() == [3.0, 3.0, 3.0]
    other = y[1]
    other.sum().backward()  # the row was never written: zeros
    assert w.grad.tolist() == [3.0, 3.0, 3.0]


def test_a_view_under_no_grad_changes_values_only() -> None:
    x = us.ones(3, requires_grad=True)
    with us.no_grad():
        x[0] = 5.0
        x[1:].mul_(3.0)
    assert x.tolist() == [5.0, 3.0, 3.0]
    assert x.is_leaf
    x.detach()[2] = 0.0
    assert x.tolist() == [5.0, 3.0, 0.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [10.0, 6.0, 0.0]


def test_what_cannot_be_recorded_is_refused() -> None:
    x = us.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[1:].mul_(2.0)
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        x.mul_(2.0)
    y = x * 1
    with us.no_grad():
        view = y[0]
    with pytest.raises(RuntimeError, match="no_grad"):
        view.mul_(2.0)
    with pytest.raises(RuntimeError, match="expanded"):
        y[:1].expand(3).mul_(2.0)


def test_an_overwritten_value_is_noticed() -> None:
    x = us.ones(3, requires_grad=True)
    y = x * 1
    z = y[1:] * y[1:]
    y[0] = 4.0
    with pytest.raises(RuntimeError, match="overwritten"):
        z.sum().backward()


def test_a_replaced_tensor_still_requires_grad() -> None:
    x = us.ones(3, requires_grad=True)
    y = x * 2
    y.zero_()
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_retained_gradients_follow_in_place_changes() -> None:
    x = us.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y[0] = 0.0
    y.mul_(5.0)
    (y * us.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert y.grad.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.tolist() == [0.0, 20.0, 30.0]


def test_the_cotangent_a_hook_holds_is_not_rewritten() -> None:
    x = us.ones(3, requires_grad=True)
    y = x * 2
    seen: list[Any] = []
    y[0] = 7.0
    y.register_hook(seen.append)
    y.sum().backward()
    assert seen[0].tolist() == [1.0, 1.0, 1.0]
    assert x.grad.tolist() == [0.0, 2.0, 2.0]


def test_augmented_assignment_to_a_slice() -> None:
    x = us.ones(4, requires_grad=True)
    y = x * 1
    y[1:] += 2 * x[:-1]
    y[::2] *= x[::2]
    y.sum().backward()
    expected_y = np.array([1.0, 3.0, 3.0, 3.0])
    np.testing.assert_array_equal(y.detach().numpy(), expected_y)
    assert x.grad.tolist() == [4.0, 3.0, 6.0, 1.0]


def test_data_is_the_same_memory_under_a_count_of_its_own() -> None:
    x = us.ones(3, requires_grad=True)
    product = (x * 1).mul(x)
    x.data[1] = 5.0
    assert x._version == 0
    assert x.tolist() == [1.0, 5.0, 1.0]
    product.sum().backward()  # though the value that was saved has changed
    y, w = us.ones(3), us.ones(3, requires_grad=True)
    kept = y.data
    product = kept * w
    kept.add_(1)
    assert (kept._version, y._version) == (1, 0)
    with pytest.raises(RuntimeError, match="overwritten"):
        product.sum().backward()
    detached = y.detach()
    detached.add_(1)
    assert y._version == 1


def test_writing_through_data_minds_that_memory_is_shared() -> None:
    x = us.arange(6.0).reshape(2, 3)
    x[:, 1:] = x.data[:, :-1]
    assert x.tolist() == [[0.0, 0.0, 1.0], [3.0, 3.0, 4.0]]
    square = us.arange(4.0).reshape(2, 2)
    square.copy_(square.data.t())
    assert square.tolist() == [[0.0, 2.0], [1.0, 3.0]]


def test_a_gradient_that_shares_memory_is_not_added_to_in_place() -> None:
    constant = us.full((2,), 3.0)

    class Shared(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: us.Tensor, b: us.Tensor) -> us.Tensor:
            return a + b

        @staticmethod
        def backward(ctx: Any, grad: us.Tensor) -> Any:
            return constant.data, constant.data

    a, b = us.zeros(2, requires_grad=True), us.zeros(2, requires_grad=True)
    (Shared.apply(a, b) + a * 2 + b).sum().backward()
    assert constant.tolist() == [3.0, 3.0]
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.tolist() == [5.0, 5.0]
    assert b.grad.tolist() == [4.0, 4.0]
    a.grad.add_(1)
    assert constant.tolist() == [3.0, 3.0]


def test_data_that_is_exchanged_many_times_forms_no_chain() -> None:
    x, other = us.zeros(2), us.ones(2)
    for _ in range(200_000):
        kept = x.data
        x.data = other
        x.data = kept
        x.data = x.data
    x.data.add_(1)
    assert x.tolist() == [1.0, 1.0]
    assert other.tolist() == [1.0, 1.0]


def test_a_view_that_was_written_is_no_leaf_and_can_be_written_again() -> None:
    w = us.ones(4, requires_grad=True)
    base = us.ones(2, 4)
    row = base[1]
    row.mul_(w)
    assert row.requires_grad
    assert not row.is_leaf
    row.add_(1)
    (row * 2).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2.0] * 4


RESHAPERS: list[Callable[[Any], Any]] = [
    lambda x: x.reshape(4),
    lambda x: x.reshape_as(x),
    lambda x: x.broadcast_to(4),
    lambda x: x.expand_as(x),
    lambda x: x.t(),
]


@pytest.mark.parametrize("reshape", RESHAPERS)
def test_rearranging_into_the_same_shape_gives_a_view_of_its_own(reshape: Callable[[Any], Any]) -> None:
    x = us.ones(4)
    y = reshape(x)
    assert y is not x
    assert y.data_ptr() == x.data_ptr()
    y.unsqueeze_(0)
    assert tuple(x.shape) == (4,)
    w = us.ones(4, requires_grad=True)
    v = reshape(w)
    v.register_hook(lambda g: g * 10)
    (v + w).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [11.0] * 4


COPIES: list[Callable[[Any], Any]] = [
    lambda x: x.repeat(2, 1),
    lambda x: x.t().reshape(6),
    lambda x: x.roll(1),
    lambda x: x @ us.ones(2, 3, 5),
    lambda x: us.stack([x, x]),
]


@pytest.mark.parametrize("copy", COPIES)
def test_results_in_memory_of_their_own_are_no_views(copy: Callable[[Any], Any]) -> None:
    x = us.arange(6.0).reshape(2, 3).contiguous()
    with us.no_grad():
        y = copy(x)
    assert y._base is None
    w = us.ones((), requires_grad=True)
    y.mul_(w)
    y.sum().backward()
    assert w.grad is not None
    assert float(w.grad) == float(copy(x).sum())


def test_ravel_gives_adjacent_elements() -> None:
    diagonal = us.arange(16.0).reshape(4, 4).diagonal()
    assert not diagonal.is_contiguous()
    assert diagonal.ravel().is_contiguous()
    assert diagonal.ravel().tolist() == [0, 5, 10, 15]


def test_a_quotient_may_be_changed_in_place() -> None:
    x = drawn(3)
    y = 2 * x / x.exp()
    y += 1
    y.sum().backward()
    assert x.grad is not None
    expected = 2 * (1 - x) * (-x).exp()
    np.testing.assert_allclose(x.grad.numpy(), expected.detach().numpy(), rtol=1e-12)
