"""Backward hooks on the tape: an identity function around a module's inputs, another around its outputs.

Their backwards see the gradients pass: the outer gate first (``grad_output``), the inner one when the
module's own backward is through (``grad_input``). Imported only when a backward hook exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool._core import Tensor, is_grad_enabled
from unspool.autograd import Function

Gradients = tuple[Any, ...]


class _Gate(Function):
    """Identity on tensors, whose backward hands the gradients to ``passed`` and takes its answer."""

    verified_as = "identity"

    @staticmethod
    def forward(ctx: Any, passed: Callable[[Gradients], Gradients], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.passed = passed
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Gradients:
        return (None, *ctx.passed(gradients))


class Gates:
    """The backward hooks of one call of one module."""

    def __init__(self, module: Any, pre_hooks: list[Any], full_hooks: list[Any]) -> None:
        self._module = module
        self._pre_hooks = pre_hooks
        self._full_hooks = full_hooks
        self._grad_output: Gradients = ()
        self._inputs = 0
        self._inputs_watched = False

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments, their tensors led through the inner gate."""
        where = [i for i, value in enumerate(args) if isinstance(value, Tensor)]
        self._inputs = len(args)
        if not self._full_hooks or not is_grad_enabled() or not any(args[i].requires_grad for i in where):
            return args

        def passed(gradients: Gradients) -> Gradients:
            grad_input = [None] * self._inputs
            for i, gradient in zip(where, gradients, strict=True):
                grad_input[i] = gradient
            answered = self._run_full_hooks(tuple(grad_input))
            return tuple(answered[i] for i in where)

        watched = list(args)
        for i, tensor in zip(where, _Gate.apply(passed, *(args[i] for i in where)), strict=True):
            watched[i] = tensor if args[i].requires_grad else args[i]
        self._inputs_watched = True
        return tuple(watched)

    def watch_outputs(self, output: Any) -> Any:
        """The output (a tensor or a sequence holding some), its tensors led through the outer gate."""
        single = isinstance(output, Tensor)
        values = [output] if single else list(output) if isinstance(output, tuple | list) else []
        where = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
        if not is_grad_enabled() or not any(values[i].requires_grad for i in where):
            return output

        def passed(gradients: Gradients) -> Gradients:
            grad_output = [None] * len(values)
            for i, gradient in zip(where, gradients, strict=True):
                grad_output[i] = gradient
            self._grad_output = self._run_pre_hooks(tuple(grad_output))
            if not self._inputs_watched:
                self._run_full_hooks((None,) * self._inputs)
            return tuple(self._grad_output[i] for i in where)

        for i, tensor in zip(where, _Gate.apply(passed, *(values[i] for i in where)), strict=True):
            values[i] = tensor if values[i].requires_grad else values[i]
        if single:
            return values[0]
        if isinstance(output, list):
            return values
        if hasattr(output, "_fields"):
            return type(output)(*values)
        return tuple(values)

    def _run_pre_hooks(self, grad_output: Gradients) -> Gradients:
        for hook in self._pre_hooks:
            grad_output = self._replaced(grad_output, hook(self._module, grad_output), "grad_output")
        return grad_output

    def _run_full_hooks(self, grad_input: Gradients) -> Gradients:
        for hook in self._full_hooks:
            grad_input = self._replaced(
                grad_input, hook(self._module, grad_input, self._grad_output), "grad_input"
            )
        return grad_input

    def _replaced(self, old: Gradients, new: Any, what: str) -> Gradients:
        if new is None:
            return old
        if not isinstance(new, tuple):
            new = (new,)
        if len(new) != len(old):
            raise RuntimeError(
                f"{type(self._module).__name__}: a backward hook returned {len(new)} gradients for {what}, "
                f"which has {len(old)}"
            )
        return tuple(new)
