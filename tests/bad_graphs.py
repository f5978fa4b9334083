"""Bad calls of autograd: freed graphs, changed values, wrong cotangents, wrong hooks, broken Functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bad_calls import BadCall, calls, leaf, t

import unspool as us


def backward_twice() -> Any:
    """The graph is freed by the first call."""
    y = (leaf(2) ** 2).sum()
    y.backward()
    y.backward()


def grad_twice() -> Any:
    """The same through autograd.grad."""
    x = leaf(2)
    y = x.exp().sum()
    us.autograd.grad(y, x)
    us.autograd.grad(y, x)


def changed(save: Callable[[Any], Any], change: Callable[[Any], Any]) -> Callable[[], Any]:
    """A value is saved by one operation and then changed by another."""

    def run() -> Any:
        middle = leaf(3) * 1.5
        result = save(middle)
        change(middle)
        result.sum().backward()

    return run


def changed_output() -> Any:
    """The saved value is the operation's own output."""
    y = leaf(3).exp()
    y.add_(1)
    y.sum().backward()


def changed_through_a_view() -> Any:
    """The change arrives through a view of the saved value."""
    middle = leaf(4) * 1.5
    result = middle * middle
    middle[:2].mul_(0)
    result.sum().backward()


def changed_by_assignment() -> Any:
    """The change is an assignment."""
    middle = leaf(4) * 1.5
    result = middle.exp().log() * middle
    middle[0] = 0.0
    result.sum().backward()


class WrongCount(us.autograd.Function):
    """backward returns two gradients for one input."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g, g


class TooFew(us.autograd.Function):
    """backward returns one gradient for two inputs."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


class WrongShape(us.autograd.Function):
    """backward returns a gradient of another shape."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return us.ones(7)


class NotATensor(us.autograd.Function):
    """backward returns text."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return "gradient"


class NoBackward(us.autograd.Function):
    """backward is missing."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2


class NoForward(us.autograd.Function):
    """forward is missing."""


class SavesANumber(us.autograd.Function):
    """save_for_backward gets a number."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(3)
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


class RaisesInBackward(us.autograd.Function):
    """backward raises the user's own exception."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        raise LookupError("from the user")


class RaisesInForward(us.autograd.Function):
    """forward raises the user's own exception."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        raise LookupError("from the user")


class Once(us.autograd.Function):
    """once_differentiable forbids the second derivative."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @us.autograd.function.once_differentiable
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


def second_derivative_of_once() -> Any:
    """The first derivative carries no usable graph."""
    x = leaf(3)
    (first,) = us.autograd.grad(Once.apply(x).sum(), x, create_graph=True)
    us.autograd.grad(first.sum(), x)


def hooked(result: Any) -> Callable[[], Any]:
    """A hook on a middle tensor returns `result`."""

    def run() -> Any:
        y = leaf(3) * 2
        y.register_hook(lambda grad: result)
        y.sum().backward()

    return run


def raising_hook() -> Any:
    """The hook's own exception arrives."""
    y = leaf(3) * 2

    def hook(grad: Any) -> Any:
        raise LookupError("from the hook")

    y.register_hook(hook)
    y.sum().backward()


def graphs() -> list[BadCall]:
    """Everything that a graph can refuse."""
    a = us.autograd
    return [
        *calls(
            RuntimeError,
            {
                "backward twice": backward_twice,
                "grad twice": grad_twice,
                "backward of a vector": lambda: (leaf(3) * 2).backward(),
                "backward of a matrix": lambda: leaf(2, 2).exp().backward(),
                "backward without a graph": lambda: t().backward(),
                "backward of integers": lambda: t(dtype=us.int64).backward(),
                "backward under no_grad": lambda: us.no_grad()(lambda: leaf(2).sum())().backward(),
                "backward of a detached result": lambda: leaf(2).sum().detach().backward(),
                "grad of a constant": lambda: a.grad(t(), leaf(2)),
                "grad of an unused input": lambda: a.grad(leaf(2).sum(), leaf(2)),
                "grad by a constant": lambda: a.grad(leaf(2).sum(), t(2)),
                "grad of a vector": lambda: (lambda x: a.grad(x * 2, x))(leaf(3)),
                "grad, wrong cotangent shape": lambda: (lambda x: a.grad(x * 2, x, t(4)))(leaf(3)),
                "backward, wrong cotangent shape": lambda: (leaf(3) * 2).backward(t(2, 3)),
                "backward, too many cotangents": lambda: a.backward([leaf(2).sum()], [t(), t()]),
                "hook without gradient": lambda: t(2).register_hook(lambda g: g),
                "hook returns another shape": hooked(us.ones(7)),
            },
        ),
        *calls(
            TypeError,
            {
                "backward by text": lambda: (leaf(3) * 2).backward("a"),
                "backward by a number": lambda: (leaf(3) * 2).backward(1.0),
                "backward by a list": lambda: (leaf(3) * 2).backward([1.0, 1.0, 1.0]),
                "backward, unknown keyword": lambda: leaf(1).sum().backward(keep=True),
                "grad()": lambda: a.grad(),
                "set_grad_enabled()": lambda: us.set_grad_enabled(),
                "set_grad_enabled text": lambda: us.set_grad_enabled("yes"),
                "Function.apply without arguments": lambda: Once.apply(),
                "gradcheck without inputs": lambda: a.gradcheck(us.exp),
                "save_for_backward of a number": lambda: SavesANumber.apply(leaf(2)).sum().backward(),
                "detach with argument": lambda: leaf(2).detach(1),
                "hook returns text": hooked("gradient"),
                "hook returns a number": hooked(3.0),
            },
        ),
        *calls(
            (TypeError, RuntimeError, AttributeError),
            {
                "grad of None": lambda: a.grad(None, leaf(2)),
                "grad by None": lambda: a.grad(leaf(2).sum(), None),
                "grad of numbers": lambda: a.grad(3.0, leaf(2)),
                "autograd.backward of text": lambda: a.backward("loss"),
                "autograd.backward of None": lambda: a.backward(None),
                "hook not callable": lambda: leaf(2).register_hook(3),
                "hook is None": lambda: leaf(2).register_hook(None),
                "backward returns text": lambda: NotATensor.apply(leaf(2)).sum().backward(),
            },
        ),
        *calls(
            RuntimeError,
            {
                "saved by mul, changed by add_": changed(lambda m: m * m, lambda m: m.add_(1)),
                "saved by exp's input, changed by mul_": changed(lambda m: m.sin(), lambda m: m.mul_(2)),
                "saved by log, changed by zero_": changed(lambda m: m.log(), lambda m: m.zero_()),
                "saved by pow, changed by copy_": changed(lambda m: m**3, lambda m: m.copy_(t(3))),
                "saved by cos, changed by fill_": changed(lambda m: m.cos(), lambda m: m.fill_(2)),
                "saved by matmul, changed by sub_": changed(lambda m: m @ m, lambda m: m.sub_(1)),
                "saved by an output": changed_output,
                "changed through a view": changed_through_a_view,
                "changed by assignment": changed_by_assignment,
                "Function: too many gradients": lambda: WrongCount.apply(leaf(2)).sum().backward(),
                "Function: too few gradients": lambda: TooFew.apply(leaf(2), leaf(2)).sum().backward(),
                "Function: wrong shape": lambda: WrongShape.apply(leaf(2)).sum().backward(),
                "once_differentiable twice": second_derivative_of_once,
            },
        ),
        *calls(
            (NotImplementedError, RuntimeError),
            {
                "Function without backward": lambda: NoBackward.apply(leaf(2)).sum().backward(),
                "Function without forward": lambda: NoForward.apply(leaf(2)),
            },
        ),
        *calls((RuntimeError, TypeError), {"Function called": lambda: Once()(leaf(2))}),
        *calls(
            LookupError,
            {
                "exception in backward": lambda: RaisesInBackward.apply(leaf(2)).sum().backward(),
                "exception in forward": lambda: RaisesInForward.apply(leaf(2)),
                "exception in a hook": raising_hook,
            },
            "from the",
        ),
        *calls(
            ValueError,
            {"gradcheck of constants": lambda: a.gradcheck(us.exp, (t(2, dtype=us.float64),))},
        ),
    ]
