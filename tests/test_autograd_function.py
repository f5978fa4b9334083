"""User-defined functions: autograd.Function with saved tensors, constants, several outputs, higher orders."""

from __future__ import annotations

from typing import Any

import pytest

import unspool as us


def leaf(*values: float) -> Any:
    """A float64 leaf."""
    return us.tensor(values, dtype=us.float64, requires_grad=True)


class Exp(us.autograd.Function):
    """exp, saving its output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


class Scale(us.autograd.Function):
    """x times a number that is no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Any, factor: float, unused: str = "text") -> Any:
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.factor, None, None


class Product(us.autograd.Function):
    """x y; computes only the gradients that are asked for."""

    asked: list[tuple[bool, ...]]

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        Product.asked.append(tuple(ctx.needs_input_grad))
        x, y = ctx.saved_tensors
        return (g * y if ctx.needs_input_grad[0] else None, g * x if ctx.needs_input_grad[1] else None)


class SumAndDifference(us.autograd.Function):
    """Two outputs; an unused one arrives as zeros."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        return x + y, x - y

    @staticmethod
    def backward(ctx: Any, g_sum: Any, g_difference: Any) -> Any:
        return g_sum + g_difference, g_sum - g_difference


class Lazy(us.autograd.Function):
    """Two outputs; an unused one arrives as None."""

    seen: list[Any]

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    @staticmethod
    def backward(ctx: Any, first: Any, second: Any) -> Any:
        Lazy.seen.append((first is None, second is None))
        return first * 2 if second is None else second * 3


class Square(us.autograd.Function):
    """x^2, differentiable once."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @us.autograd.function.once_differentiable
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Positive(us.autograd.Function):
    """A comparison: its output carries no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x > 0
        ctx.mark_non_differentiable(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        raise AssertionError("never asked")


def test_forward_and_backward() -> None:
    x = leaf(0.0, 1.0)
    y = Exp.apply(x)
    assert y.requires_grad
    assert "Exp" in repr(y.grad_fn)
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([1.0, 2.718281828459045])


def test_forward_runs_without_the_tape() -> None:
    class Watch(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            assert not us.is_grad_enabled()
            assert not (x * 2).requires_grad
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            assert not us.is_grad_enabled()
            return g * 2

    x = leaf(1.0)
    Watch.apply(x).backward()
    assert x.grad.item() == 2.0


def test_higher_derivatives_of_a_user_function() -> None:
    derivative = x = leaf(0.3)
    derivative = Exp.apply(x * 2)
    for order in range(1, 4):
        (derivative,) = us.autograd.grad(derivative, x, create_graph=True)
        assert derivative.item() == pytest.approx(2**order * 1.8221188003905089, rel=1e-13)


def test_arguments_that_are_no_tensors() -> None:
    x = leaf(1.0)
    Scale.apply(x, 4.0, "other").backward()
    assert x.grad.item() == 4.0


def test_needs_input_grad() -> None:
    Product.asked = []
    x, constant = leaf(2.0), us.tensor([3.0], dtype=us.float64)
    Product.apply(x, constant).backward()
    Product.apply(constant, x).backward()
    Product.apply(x, x * 1).backward()
    assert Product.asked == [(True, False), (False, True), (True, True)]
    assert x.grad.item() == 3.0 + 3.0 + 4.0


def test_several_outputs() -> None:
    x, y = leaf(2.0), leaf(3.0)
    total, difference = SumAndDifference.apply(x, y)
    (total * 10 + difference).backward()
    assert (x.grad.item(), y.grad.item()) == (11.0, 9.0)
    total, difference = SumAndDifference.apply(x, y)
    (gx,) = us.autograd.grad(difference, x)
    assert gx.item() == 1.0


def test_gradients_of_unused_outputs_may_stay_none() -> None:
    Lazy.seen = []
    x = leaf(1.0)
    Lazy.apply(x)[0].backward()
    Lazy.apply(x)[1].backward()
    assert Lazy.seen == [(False, True), (True, False)]
    assert x.grad.item() == 5.0


def test_once_differentiable() -> None:
    x = leaf(3.0)
    (g,) = us.autograd.grad(Square.apply(x), x, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError):
        g.backward()


def test_outputs_marked_as_constant() -> None:
    y = Positive.apply(leaf(1.0, -1.0))
    assert not y.requires_grad
    assert y.tolist() == [True, False]


def test_without_gradients_nothing_is_recorded() -> None:
    assert not Exp.apply(us.ones(2)).requires_grad
    with us.no_grad():
        assert not Exp.apply(leaf(1.0)).requires_grad


def test_a_changed_saved_tensor_is_noticed() -> None:
    x = leaf(1.0)
    y = Exp.apply(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="Exp"):
        y.backward()


def test_exceptions_pass_through_unchanged() -> None:
    class Fails(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise LookupError("mine")

    x = leaf(1.0)
    with pytest.raises(LookupError, match="mine"):
        Fails.apply(x).backward()
    (x * 2).backward()
    assert x.grad.item() == 2.0


def test_gradcheck_accepts_a_user_function() -> None:
    assert us.autograd.gradcheck(Exp.apply, (leaf(0.3, -0.4),))
    assert us.autograd.gradgradcheck(Exp.apply, (leaf(0.3, -0.4),))


class DoubleInPlace(us.autograd.Function):
    """2 x, written into x."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 2


def test_a_dirty_view_changes_its_base() -> None:
    x = us.ones(3, requires_grad=True)
    y = x * 1
    row = y[1:]
    assert DoubleInPlace.apply(row) is row
    (y * us.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 4.0, 6.0]


def test_a_dirty_leaf_is_refused() -> None:
    x = us.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        DoubleInPlace.apply(x)


class Through(us.autograd.Function):
    """Gives its input out again; the derivative is 3."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 3


def test_an_input_that_is_given_out_is_another_tensor() -> None:
    x = leaf(1, 2)
    with us.no_grad():
        y = Through.apply(x)
    assert y is not x
    assert not y.requires_grad
    constant = us.ones(2)
    assert Through.apply(constant) is not constant


@pytest.mark.parametrize("change", ["input", "output"])
def test_changing_an_input_that_was_given_out_is_refused(change: str) -> None:
    x = leaf(1, 2) * 1
    y = Through.apply(x)

    def changed() -> None:
        (x if change == "input" else y).mul_(leaf(2, 2))
        y.sum().backward()

    with pytest.raises(RuntimeError, match="custom Function"):
        changed()


def test_rearranging_a_saved_tensor_in_place_is_noticed() -> None:
    class Square(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = leaf(1, 2).reshape(1, 2) * 1
    y = Square.apply(x)
    x.t_()
    with pytest.raises(RuntimeError, match="rearranged in place"):
        y.sum().backward()


class _SparseProduct(us.autograd.Function):
    """Product of a sparse matrix, given by its parts, and a dense one, with the sparse one saved."""

    @staticmethod
    def forward(ctx: Any, places: us.Tensor, values: us.Tensor, b: us.Tensor) -> us.Tensor:
        a = us.sparse_coo_tensor(places, values, (3, 3))
        ctx.save_for_backward(a, b)
        return us.matmul(a, b)

    @staticmethod
    def backward(ctx: Any, g: us.Tensor) -> Any:
        a, b = ctx.saved_tensors
        return None, (g @ b.t())[tuple(a._indices())], a.t().matmul(g)


def test_sparse_tensors_are_saved_for_backward() -> None:
    places = us.tensor([[0, 1, 2], [2, 0, 1]])
    values, b = us.tensor([1.0, 2.0, 3.0], requires_grad=True), us.randn(3, 2, requires_grad=True)
    out = _SparseProduct.apply(places, values, b)
    dense = us.zeros(3, 3).index_put(tuple(places), values)
    for ours, expected in zip(
        us.autograd.grad(out.square().sum(), [values, b]),
        us.autograd.grad((dense @ b).square().sum(), [values, b]),
        strict=True,
    ):
        assert us.allclose(ours, expected)
    out = _SparseProduct.apply(places, kept := values.clone(), b)
    with us.no_grad():
        kept.add_(1)
    with pytest.raises(RuntimeError, match="tensor 0 saved by _SparseProduct was changed in place"):
        out.sum().backward()
