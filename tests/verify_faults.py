"""Planted faults: one wrong gradient each, as people write them. Each function builds a loss to unwind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import unspool as us
from unspool import nn
from unspool.autograd import Function

FAULTS: dict[str, Callable[[], Any]] = {}


def fault(make: Callable[[], Any]) -> Callable[[], Any]:
    FAULTS[make.__name__.strip("_")] = make
    return make


def leaf(*shape: int) -> Any:
    return us.randn(*shape, requires_grad=True)


def function(forward: Callable[..., Any], backward: Callable[..., Any]) -> type[Function]:
    """A Function that saves its inputs: backward(ctx, g, *inputs)."""

    class Planted(Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return backward(ctx, g, *ctx.saved_tensors)

    return Planted


def affine(gx: Any = None, gw: Any = None, gb: Any = None) -> Any:
    """x·wᵀ + b with one gradient replaced."""
    right = (lambda g, x, w: g @ w, lambda g, x, w: g.t() @ x, lambda g, x, w: g.sum(0))
    rules = [given or own for given, own in zip((gx, gw, gb), right, strict=True)]
    made = function(
        lambda x, w, b: x @ w.t() + b, lambda ctx, g, x, w, b: tuple(rule(g, x, w) for rule in rules)
    )
    return (made.apply(leaf(5, 4), leaf(4, 4), leaf(4)) ** 2).sum()


def pointwise(forward: Callable[[Any], Any], slope: Callable[[Any, Any], Any]) -> Any:
    return (function(forward, lambda ctx, g, x: slope(g, x)).apply(leaf(4, 3)) ** 2).sum()


@fault
def transposed_product() -> Any:
    return affine(gw=lambda g, x, w: (g.t() @ x).t())


@fault
def weight_not_transposed() -> Any:
    return affine(gx=lambda g, x, w: g @ w.t())


@fault
def forgotten_batch_sum() -> Any:
    return affine(gb=lambda g, x, w: g[0])


@fault
def mean_instead_of_batch_sum() -> Any:
    return affine(gb=lambda g, x, w: g.mean(0))


@fault
def weight_gradient_divided_by_the_batch() -> Any:
    return affine(gw=lambda g, x, w: g.t() @ x / x.shape[0])


@fault
def wrong_sign() -> Any:
    return pointwise(lambda x: us.cos(x), lambda g, x: g * us.sin(x))


@fault
def factor_of_two() -> Any:
    return pointwise(lambda x: x * x, lambda g, x: g * x)


@fault
def relative_error_of_a_hundred_thousandth() -> Any:
    return pointwise(lambda x: us.exp(x), lambda g, x: g * us.exp(x) * 1.00001)


@fault
def cotangent_ignored() -> Any:
    return pointwise(lambda x: us.sin(x), lambda g, x: us.cos(x))


@fault
def cotangent_taken_for_ones() -> Any:
    return function(lambda x: us.sin(x), lambda ctx, g, x: us.cos(x)).apply(leaf(3)).sum()


@fault
def missing_broadcast_reduction() -> Any:
    made = function(lambda x, s: x * s, lambda ctx, g, x, s: (g * s, (g * x).sum(0, keepdim=True)[:, :1]))
    return (made.apply(leaf(5, 3), leaf(1, 1)) ** 2).sum()


@fault
def reduction_over_the_wrong_dimension() -> Any:
    made = function(lambda x, s: x * s, lambda ctx, g, x, s: (g * s, (g * x).sum(1)))
    return (made.apply(leaf(4, 4), leaf(4)) ** 2).sum()


@fault
def index_off_by_one() -> Any:
    def backward(ctx: Any, g: Any, x: Any) -> Any:
        full = us.zeros_like(x)
        full[2:5] = g
        return full

    return (function(lambda x: x[1:4] * 1, backward).apply(leaf(6)) ** 2).sum()


@fault
def last_element_forgotten() -> Any:
    def backward(ctx: Any, g: Any, x: Any) -> Any:
        result = g * 2 * x
        result[-1] = 0
        return result

    return (function(lambda x: x * x, backward).apply(leaf(6)) ** 2).sum()


@fault
def derivative_taken_at_the_output() -> Any:
    return pointwise(lambda x: us.sin(x), lambda g, x: g * us.cos(us.sin(x)))


@fault
def sigmoid_slope_without_one_minus() -> Any:
    return pointwise(lambda x: us.sigmoid(x), lambda g, x: g * us.sigmoid(x))


@fault
def relu_mask_inverted() -> Any:
    return pointwise(lambda x: us.relu(x), lambda g, x: g * (x < 0))


@fault
def softmax_by_its_diagonal() -> Any:
    def slope(g: Any, x: Any) -> Any:
        p = us.softmax(x, 1)
        return g * p * (1 - p)

    return pointwise(lambda x: us.softmax(x, 1), slope)


@fault
def normalization_with_constant_statistics() -> Any:
    def forward(x: Any) -> Any:
        return (x - x.mean(0)) / x.std(0, unbiased=False)

    return pointwise(forward, lambda g, x: g / x.std(0, unbiased=False))


@fault
def gradients_of_two_arguments_swapped() -> Any:
    made = function(lambda x, y: x * us.exp(y), lambda ctx, g, x, y: (g * x * us.exp(y), g * us.exp(y)))
    return (made.apply(leaf(4), leaf(4)) ** 2).sum()


@fault
def one_argument_without_gradient() -> Any:
    made = function(lambda x, y: x * y, lambda ctx, g, x, y: (g * y, None))
    return (made.apply(leaf(4), leaf(4)) ** 2).sum()


@fault
def stale_cache_of_another_call() -> Any:
    class Cached(Function):
        seen: Any = None

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            Cached.seen = x.detach().clone()
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * Cached.seen

    return (Cached.apply(leaf(4)) * Cached.apply(leaf(4))).sum()


@fault
def cache_filled_once() -> Any:
    class Cached(Function):
        seen: Any = None

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            if Cached.seen is None:
                Cached.seen = x.detach().clone()
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * Cached.seen

    Cached.apply(leaf(4))
    return Cached.apply(leaf(4)).sum()


@fault
def saved_value_overwritten_behind_the_tape() -> Any:
    x = leaf(4)
    hidden = x * 1
    loss = (hidden * hidden).sum()
    hidden.data.mul_(3)
    return loss


@fault
def dropout_with_another_mask() -> Any:
    made = function(lambda x: us.dropout(x, 0.5, True), lambda ctx, g, x: us.dropout(g, 0.5, True))
    return (made.apply(leaf(40)) ** 2).sum()


@fault
def second_output_forgotten() -> Any:
    class Both(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return us.sin(x), us.cos(x)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * us.cos(x)

    one, other = Both.apply(leaf(4))
    return (one * other).sum()


@fault
def elementwise_with_a_wrong_derivative() -> Any:
    unit = nn.Elementwise(lambda z: us.tanh(z), lambda z: 1 - us.tanh(z))
    return nn.Sequential(nn.Linear(3, 4), unit, nn.Linear(4, 1))(us.randn(5, 3)).sum()


@fault
def elementwise_with_the_sign_lost() -> Any:
    unit = nn.Elementwise(lambda z: z.abs(), lambda z: us.ones_like(z))
    return nn.Sequential(nn.Linear(3, 4), unit)(us.randn(5, 3)).sum()


@fault
def tensor_hook_that_scales() -> Any:
    hidden = nn.Linear(3, 4)(us.randn(5, 3))
    hidden.register_hook(lambda g: g * 2)
    return hidden.sum()


@fault
def tensor_hook_that_writes() -> Any:
    hidden = nn.Linear(3, 4)(us.randn(5, 3))

    def halve(g: Any) -> None:
        g.mul_(0.5)

    hidden.register_hook(halve)
    return (hidden**2).sum()


@fault
def parameter_hook_that_flips_the_sign() -> Any:
    layer = nn.Linear(3, 4)
    layer.weight.register_hook(lambda g: -g)
    return layer(us.randn(5, 3)).sum()


@fault
def module_backward_hook_that_shifts() -> Any:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    model[1].register_full_backward_hook(lambda module, given, arrived: (given[0] + 1,))
    return model(us.randn(5, 3)).sum()


@fault
def module_backward_pre_hook_that_scales() -> Any:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    model[1].register_full_backward_pre_hook(lambda module, arrived: (arrived[0] * 3,))
    return model(us.randn(5, 3)).sum()
