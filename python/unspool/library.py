"""Operations of scripts' own, under names: ``unspool.library.custom_op``.

PyTorch keeps such operations whole in the programs that it compiles. Here they run as they are written, and
are found as ``unspool.ops.namespace.name`` too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from unspool import _core
from unspool.autograd.function import Function
from unspool.autograd.grad_mode import no_grad
from unspool.utils._pytree import tree_leaves

__all__ = ["CustomOpDef", "Library", "custom_op", "register_autograd", "register_fake", "register_kernel"]

_OPERATIONS: dict[str, CustomOpDef] = {}


class CustomOpDef:
    """An operation that ``custom_op`` has made; it is called like the function that it was made of."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._qualname = name
        self._function = function
        self._signature = inspect.signature(function)
        self._backward: Callable[..., Any] | None = None
        self._setup_context: Callable[..., Any] | None = None
        self._differentiable = self._make_function()

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function, recorded as one node where a gradient is wanted."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if not self._is_recorded(bound.arguments.values()):
            with no_grad():
                return self._function(*bound.args, **bound.kwargs)
        return self._differentiable.apply(*bound.args, *bound.kwargs.values())

    def _is_recorded(self, values: Iterable[Any]) -> bool:
        leaves = tree_leaves(list(values))
        wanted = any(isinstance(each, _core.Tensor) and each.requires_grad for each in leaves)
        return wanted and _core.is_grad_enabled()

    def _make_function(self) -> type[Function]:
        operation = self
        parameters = self._signature.parameters.values()
        by_keyword = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]

        class Differentiable(Function):
            @staticmethod
            def forward(*values: Any) -> Any:
                plain = len(values) - len(by_keyword)
                named = dict(zip(by_keyword, values[plain:], strict=True))
                return operation._function(*values[:plain], **named)

            @staticmethod
            def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
                if operation._setup_context is None:
                    return
                plain = len(inputs) - len(by_keyword)
                if by_keyword:
                    named = dict(zip(by_keyword, inputs[plain:], strict=True))
                    operation._setup_context(
                        ctx=ctx, inputs=inputs[:plain], keyword_only_inputs=named, output=output
                    )
                else:
                    operation._setup_context(ctx=ctx, inputs=inputs, output=output)

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                if operation._backward is None:
                    raise RuntimeError(
                        f"{operation._qualname} has no derivative; give one with register_autograd"
                    )
                given = operation._backward(ctx, *grads)
                slopes = given if isinstance(given, tuple) else (given,)
                return (*slopes, *[None] * len(by_keyword))

        Differentiable.__name__ = self._qualname.replace("::", "_")
        return Differentiable

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Give the derivative.

        Args:
            backward: of (ctx, *gradients of the outputs), giving a gradient or None for each input.
            setup_context: of (ctx, inputs, output); it keeps in ctx what ``backward`` needs.
        """
        self._backward, self._setup_context = backward, setup_context

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Accept a function that makes empty results; it is not needed."""
        return fn

    def register_kernel(
        self, device_types: str | Iterable[str] | None, fn: Callable[..., Any] | None = None, /
    ) -> Any:
        """Take a function for the processor instead of the one that was given first.

        Args:
            device_types: "cpu" or several; a function for others only is left aside. None means all.
            fn: the function; without it, a decorator is given.
        """

        def take(function: Callable[..., Any]) -> Callable[..., Any]:
            if device_types is None or "cpu" in (
                [device_types] if isinstance(device_types, str) else list(device_types)
            ):
                self._function = function
            return function

        return take if fn is None else take(fn)


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Iterable[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Make an operation of a function.

    Args:
        name: "namespace::name".
        fn: the function; without it, a decorator is given. What it computes is not recorded for gradients:
            give them with ``register_autograd``.
        mutates_args: names of the arguments that it changes in place.
        device_types: has no effect.
        schema: has no effect.
        tags: has no effect.

    Raises:
        ValueError: the name has no namespace.
    """
    del mutates_args, device_types, schema, tags
    if name.count("::") != 1:
        raise ValueError(f"custom_op: the name must be 'namespace::name', got {name!r}")

    def make(function: Callable[..., Any]) -> CustomOpDef:
        _OPERATIONS[name] = made = CustomOpDef(name, function)
        return made

    return make if fn is None else make(fn)


def _operation(who: str, op: str | CustomOpDef) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if op not in _OPERATIONS:
        raise ValueError(f"{who}: there is no operation {op!r}; make it with custom_op first")
    return _OPERATIONS[op]


def register_autograd(
    op: str | CustomOpDef,
    backward: Callable[..., Any],
    /,
    *,
    setup_context: Callable[..., Any] | None = None,
    lib: Any = None,
) -> None:
    """Give an operation's derivative, as ``CustomOpDef.register_autograd`` does."""
    del lib
    _operation("register_autograd", op).register_autograd(backward, setup_context=setup_context)


def register_fake(
    op: str | CustomOpDef,
    func: Callable[..., Any] | None = None,
    /,
    *,
    lib: Any = None,
    allow_override: bool = False,
) -> Any:
    """Accept a function that makes empty results; it is not needed, nor is the operation.

    Packages also register such functions for operations of their compiled parts, which are not loaded.
    """
    del op, lib, allow_override
    return _itself if func is None else func


def _itself(func: Callable[..., Any]) -> Callable[..., Any]:
    return func


def register_kernel(
    op: str | CustomOpDef,
    device_types: str | Iterable[str] | None,
    func: Callable[..., Any] | None = None,
    /,
    *,
    lib: Any = None,
) -> Any:
    """Take another function for the processor, as ``CustomOpDef.register_kernel`` does."""
    del lib
    return _operation("register_kernel", op).register_kernel(device_types, func)


class Library:
    """Raises NotImplementedError: there is no dispatcher to add to."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotImplementedError("torch.library.Library is not implemented in unspool; use custom_op")
