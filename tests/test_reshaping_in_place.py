"""Methods that change a tensor's shape or memory in place: results against NumPy, and their gradients."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us

M = np.arange(12.0).reshape(3, 1, 4)

CASES: list[tuple[str, tuple[Any, ...], Callable[[Any], Any]]] = [
    ("squeeze_", (), lambda a: a.squeeze()),
    ("squeeze_", (1,), lambda a: a.squeeze(1)),
    ("unsqueeze_", (0,), lambda a: a[None]),
    ("unsqueeze_", (-1,), lambda a: a[..., None]),
    ("transpose_", (0, 2), lambda a: a.swapaxes(0, 2)),
    ("swapaxes_", (0, 1), lambda a: a.swapaxes(0, 1)),
    ("swapdims_", (0, 1), lambda a: a.swapaxes(0, 1)),
    ("as_strided_", ((2, 2), (1, 4), 1), lambda a: np.array([[1, 5], [2, 6.0]])),
]


@pytest.mark.parametrize(("name", "args", "expected"), CASES)
def test_the_tensor_becomes_the_view(
    name: str, args: tuple[Any, ...], expected: Callable[[Any], Any]
) -> None:
    x = us.tensor(M, dtype=us.float64)
    before, row = x.detach(), x[1]
    assert getattr(x, name)(*args) is x
    np.testing.assert_array_equal(x.numpy(), expected(M))
    assert x.is_leaf
    assert not x.requires_grad
    # Same memory as before, for all who saw it.
    x.mul_(2)
    assert before.data_ptr() == x.untyped_storage().data_ptr()
    row.add_(100)
    assert float(before[1, 0, 2]) == 112.0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).numpy(), x.numpy())


def test_t_transposes_in_place() -> None:
    x = us.arange(6.0).reshape(2, 3)
    assert x.t_() is x
    assert x.tolist() == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(RuntimeError, match="t"):
        us.ones(2, 2, 2).t_()


def test_history_goes_on_through_the_view() -> None:
    w = us.tensor([[1.0, 2], [3, 4]], requires_grad=True)
    y = w * w
    kept = y.detach().clone()
    y.t_().unsqueeze_(0)
    assert tuple(y.shape) == (1, 2, 2)
    assert y.grad_fn is not None
    y.mul_(us.tensor([[1.0, 10], [100, 1000]]))
    y.sum().backward()
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 2 * np.array([[1, 200], [30, 4000.0]]))
    np.testing.assert_allclose(y.detach().numpy()[0].T, kept.numpy() * np.array([[1, 100], [10, 1000.0]]))


def test_earlier_views_see_later_writes_with_gradient() -> None:
    w = us.tensor(3.0, requires_grad=True)
    x = us.ones(2, 3)
    column = x[:, 0]
    x.unsqueeze_(0)
    x.mul_(w)
    (column.sum() * 5).backward()
    assert w.grad is not None
    assert float(w.grad) == 10.0


def test_leaves_that_require_grad_are_refused_unless_grad_is_off() -> None:
    w = us.ones(2, 3, requires_grad=True)
    for change in (w.t_, lambda: w.unsqueeze_(0), lambda: w.set_(us.ones(1)), lambda: w.fill_diagonal_(1)):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    with us.no_grad():
        w.unsqueeze_(0)
    assert tuple(w.shape) == (1, 2, 3)
    assert w.is_leaf
    assert w.requires_grad
    (w * 2).sum().backward()
    assert w.grad is not None
    assert tuple(w.grad.shape) == (1, 2, 3)


def test_resize_keeps_the_order_of_elements() -> None:
    x = us.arange(6.0)
    pointer = x.data_ptr()
    assert x.resize_(2, 2) is x
    assert x.tolist() == [[0, 1], [2, 3]]
    assert x.data_ptr() == pointer
    x.resize_((3, 2))
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert x.data_ptr() == pointer
    x.resize_(4, 3)
    assert x.flatten()[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert tuple(x.shape) == (4, 3)
    y = us.empty(0)
    y.resize_as_(us.ones(2, 5)).copy_(us.ones(2, 5))
    assert y.sum() == 10
    t = us.arange(6.0).reshape(2, 3).t()
    assert t.resize_(6).tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError, match="requires grad"):
        us.ones(2, requires_grad=True).resize_(3)
    with pytest.raises(RuntimeError, match="negative"):
        x.resize_(-1)
    with pytest.raises(TypeError, match="resize_as_"):
        x.resize_as_([1])  # type: ignore[arg-type]


def test_set_shows_another_memory() -> None:
    x, y = us.zeros(2), us.arange(6.0)
    x.set_(y)
    x[0] = 7
    assert y[0] == 7
    assert tuple(x.shape) == (6,)
    x.set_(y, 1, (2, 2), (2, 1))
    assert x.tolist() == [[1, 2], [3, 4]]
    x.set_(y.untyped_storage())
    assert x.tolist() == y.tolist()
    assert tuple(x.set_().shape) == (0,)
    with pytest.raises(RuntimeError, match="int64"):
        x.set_(us.arange(3))
    with pytest.raises(RuntimeError, match="storage"):
        x.set_(y, 4, (3,))


@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (7, 3), (3, 3, 3), (0, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal_is_numpys(shape: tuple[int, ...], wrap: bool) -> None:
    expected = np.zeros(shape)
    if expected.size:
        np.fill_diagonal(expected, 4.5, wrap=wrap)
    x = us.zeros(shape)
    assert x.fill_diagonal_(4.5, wrap) is x
    np.testing.assert_array_equal(x.numpy(), expected)


def test_fill_diagonal_stops_gradients_and_checks_shapes() -> None:
    w = us.ones(2, 2, requires_grad=True)
    (w * 3).fill_diagonal_(0).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [[0, 3], [3, 0]]
    with pytest.raises(RuntimeError, match="at least 2"):
        us.ones(3).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="equal"):
        us.ones(3, 3, 2).fill_diagonal_(1)


def test_new_makes_tensors_of_the_same_dtype() -> None:
    x = us.ones(2, dtype=us.float64)
    assert x.new().numel() == 0
    assert x.new(2, 3).dtype == us.float64
    assert x.new([1, 2]).tolist() == [1.0, 2.0]
    assert tuple(x.new(x.size()).shape) == (2,)
    assert us.arange(3).new(4).dtype == us.int64


def test_products_in_place() -> None:
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(4, 3))
    x, y, z = (us.tensor(each, dtype=us.float64) for each in (a, b, c))
    x.addmm_(y, z, beta=0.5, alpha=2.0)
    np.testing.assert_allclose(x.numpy(), 0.5 * a + 2 * b @ c)
    v = us.tensor(a[:, 0].copy(), dtype=us.float64)
    v.addmv_(y, z[:, 0])
    np.testing.assert_allclose(v.numpy(), a[:, 0] + b @ c[:, 0])
    w = us.tensor(a[None].copy(), dtype=us.float64)
    w.baddbmm_(y[None], z[None])
    np.testing.assert_allclose(w.numpy(), (a + b @ c)[None])


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.squeeze_(0),
        lambda x: x.unsqueeze_(0),
        lambda x: x.t_(),
        lambda x: x.resize_(4),
        lambda x: x.set_(us.ones(2)),
    ],
    ids=["squeeze_", "unsqueeze_", "t_", "resize_", "set_"],
)
def test_a_captured_step_cannot_change_shapes_in_place(change: Callable[[Any], Any]) -> None:
    def step(x: Any) -> Any:
        change(x)
        return x * 2

    with pytest.raises(us.CaptureError, match="which a replayed step does not repeat"):
        us.compile(step)(us.ones(1, 4))
    with pytest.warns(UserWarning, match="eager"):
        result = us.compile(step, fallback="eager")(us.ones(1, 4))
    assert result.shape == step(us.ones(1, 4)).shape


def test_a_captured_step_changes_shapes_of_its_own_tensors() -> None:
    @us.compile
    def step(x: Any) -> Any:
        y = x * 2
        y.unsqueeze_(0).t_()
        return y + 1

    for value in range(4):
        np.testing.assert_array_equal(step(us.full((3,), value)).numpy(), np.full((3, 1), 2 * value + 1))


def test_a_captured_step_cannot_give_outside_tensors_other_memory() -> None:
    a, b = us.ones(2), us.zeros(2)

    @us.compile
    def step(x: Any) -> Any:
        a.data, b.data = b.data, a.data
        return x + a

    with pytest.raises(us.CaptureError, match="data: a tensor from outside of the step would stand for"):
        step(us.zeros(2))
