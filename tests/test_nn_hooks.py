"""Hooks of modules: forward, backward, process-wide, and that they cost nothing once removed."""

from __future__ import annotations

import copy
import pickle
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn.modules import module as module_file


def record(seen: list[str], *args: Any) -> None:
    seen.append("pickled")


class Scale(nn.Module):
    def forward(self, x: Any, factor: float = 2.0) -> Any:
        return x * factor


class Failing(nn.Module):
    def forward(self, x: Any) -> Any:
        raise ArithmeticError("no")


def test_forward_hooks_see_and_replace_arguments_and_output() -> None:
    module = Scale()
    seen: list[Any] = []
    module.register_forward_pre_hook(lambda m, args: seen.append(("pre", len(args))))
    module.register_forward_pre_hook(lambda m, args: args[0] + 1)
    module.register_forward_hook(lambda m, args, output: output * 10)
    module.register_forward_hook(lambda m, args, output: seen.append(("post", args[0].item(), output.item())))
    assert module(us.ones(1)).item() == 40.0
    assert seen == [("pre", 1), ("post", 2.0, 40.0)]


def test_hooks_with_keyword_arguments() -> None:
    module = Scale()
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": 5.0}), with_kwargs=True)
    factors: list[float] = []
    module.register_forward_hook(
        lambda m, args, kwargs, output: factors.append(kwargs["factor"]), with_kwargs=True
    )
    assert module(us.ones(1), factor=3.0).item() == 5.0
    assert factors == [5.0]
    module.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        module(us.ones(1))


def test_order_and_prepending() -> None:
    module = Scale()
    order: list[int] = []
    module.register_forward_hook(lambda *a: order.append(1))
    module.register_forward_hook(lambda *a: order.append(2))
    module.register_forward_hook(lambda *a: order.append(0), prepend=True)
    module(us.ones(1))
    assert order == [0, 1, 2]


def test_removed_hooks_leave_the_direct_call_behind() -> None:
    module = Scale()
    seen: list[int] = []
    handle = module.register_forward_hook(lambda *a: seen.append(1), with_kwargs=True, always_call=True)
    assert module._hooked
    module(us.ones(1))
    handle.remove()
    handle.remove()
    module(us.ones(1))
    assert seen == [1]
    assert not module._hooked
    assert not module._forward_hooks_with_kwargs
    with module.register_forward_hook(lambda *a: seen.append(2)):
        module(us.ones(1))
    module(us.ones(1))
    assert seen == [1, 2]


def test_hooks_put_into_the_dictionary_by_hand_run_too() -> None:
    module = Scale()
    module._forward_hooks[123456] = lambda m, args, output: output + 1
    assert module(us.ones(1)).item() == 3.0
    module._forward_hooks.clear()
    assert module(us.ones(1)).item() == 2.0


def test_always_called_hooks_run_after_an_error() -> None:
    module = Failing()
    seen: list[Any] = []
    module.register_forward_hook(lambda m, args, output: seen.append("never"))
    module.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    with pytest.raises(ArithmeticError):
        module(us.ones(1))
    assert seen == [None]

    def complain(*args: Any) -> None:
        raise ValueError("hook")

    module.register_forward_hook(complain, always_call=True)
    with pytest.warns(UserWarning, match="hook"), pytest.raises(ArithmeticError):
        module(us.ones(1))


def test_backward_hooks_see_gradients_of_inputs_and_outputs() -> None:
    linear = nn.Linear(3, 2)
    seen: list[Any] = []
    linear.register_full_backward_pre_hook(lambda m, grad_output: seen.append(("pre", grad_output)))
    linear.register_full_backward_hook(
        lambda m, grad_input, grad_output: seen.append((grad_input, grad_output))
    )
    x = us.randn(4, 3, requires_grad=True)
    (linear(x) * 2).sum().backward()
    (name, before), ((grad_input,), (grad_output,)) = seen
    assert name == "pre"
    np.testing.assert_array_equal(before[0].numpy(), np.full((4, 2), 2.0))
    np.testing.assert_array_equal(grad_output.numpy(), np.full((4, 2), 2.0))
    np.testing.assert_allclose(grad_input.numpy(), x.grad.numpy())
    np.testing.assert_allclose(
        x.grad.numpy(), np.full((4, 2), 2.0) @ linear.weight.detach().numpy(), rtol=1e-6
    )


def test_backward_hooks_may_replace_gradients() -> None:
    module = Scale()
    module.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 10,))
    handle = module.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] + 1,))
    x = us.ones(1, requires_grad=True)
    module(x).backward()
    assert x.grad.item() == 21.0
    handle.remove()
    module.register_full_backward_hook(lambda m, grad_input, grad_output: (None, None))
    with pytest.raises(RuntimeError, match="2 gradients for grad_input"):
        module(x).backward()


def test_backward_hooks_where_no_input_needs_a_gradient() -> None:
    linear = nn.Linear(3, 2)
    seen: list[Any] = []
    linear.register_full_backward_hook(
        lambda m, grad_input, grad_output: seen.append((grad_input, grad_output))
    )
    linear(us.ones(1, 3)).sum().backward()
    assert seen[0][0] == (None,)
    assert seen[0][1][0].tolist() == [[1.0, 1.0]]
    assert linear.weight.grad.tolist() == [[1.0] * 3] * 2
    with us.no_grad():
        linear(us.ones(1, 3))
    assert len(seen) == 1


def test_backward_hooks_on_modules_with_several_outputs() -> None:
    class Two(nn.Module):
        def forward(self, x: Any, label: str, y: Any) -> Any:
            return x * y, label, x + y

    seen: list[Any] = []
    module = Two()
    module.register_full_backward_hook(
        lambda m, grad_input, grad_output: seen.append((grad_input, grad_output))
    )
    x, y = us.tensor(2.0, requires_grad=True), us.tensor(3.0)
    product, label, _ = module(x, "name", y)
    assert label == "name"
    product.backward()
    grad_input, grad_output = seen[0]
    assert (grad_input[0].item(), grad_input[1], grad_output[0].item(), grad_output[1]) == (
        3.0,
        None,
        1.0,
        None,
    )


def test_the_old_backward_hook_is_deprecated() -> None:
    module = Scale()
    seen: list[int] = []
    with pytest.warns(FutureWarning, match="register_full_backward_hook"):
        module.register_backward_hook(lambda m, grad_input, grad_output: seen.append(1))
    module(us.ones(1, requires_grad=True)).backward()
    assert seen == [1]


def test_process_wide_hooks_run_before_the_modules_own() -> None:
    module = nn.Sequential(Scale())
    seen: list[str] = []
    module[0].register_forward_hook(lambda m, args, output: seen.append("own"))
    hooks = [
        (
            module_file.register_module_forward_pre_hook,
            lambda m, args: seen.append("pre " + type(m).__name__),
        ),
        (
            module_file.register_module_forward_hook,
            lambda m, args, out: seen.append("post " + type(m).__name__),
        ),
        (
            module_file.register_module_full_backward_hook,
            lambda m, *g: seen.append("back " + type(m).__name__),
        ),
        (module_file.register_module_full_backward_pre_hook, lambda m, g: seen.append("pre-back")),
    ]
    with ExitStack() as stack:
        for register, hook in hooks:
            stack.enter_context(register(hook))
        module(us.ones(1, requires_grad=True)).backward()
    assert seen == [
        "pre Sequential",
        "pre Scale",
        "post Scale",
        "own",
        "post Sequential",
        "pre-back",
        "pre-back",
        "back Scale",
        "back Sequential",
    ]
    seen.clear()
    module(us.ones(1, requires_grad=True)).backward()
    assert seen == ["own"]


def test_hooks_are_copied_and_pickled_with_the_module() -> None:
    module = Scale()
    seen: list[str] = []
    module.register_forward_hook(lambda m, args, output: seen.append("copied"))
    copy.deepcopy(module)(us.ones(1))
    assert seen == ["copied"]
    module = Scale()
    module.register_forward_pre_hook(record)
    other = pickle.loads(pickle.dumps(module))
    assert list(other._forward_pre_hooks.values()) == [record]
    assert other._hooked
