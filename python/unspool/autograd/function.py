"""User-defined operations: a forward and a backward method, recorded on the tape like any other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from unspool import _core
from unspool._core import Node, Tensor
from unspool.autograd.grad_mode import no_grad

# Sees every call before its forward and every backward after it, while verify() runs.
watcher: Any = None


class FunctionCtx:
    """What ``forward`` hands to ``backward``: saved tensors and any attributes that are set on it."""

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        # Each with its version, its layout and, for an output, its number: outputs are kept without history,
        # which would be a cycle.
        self._saved: list[tuple[Any, int, Any, int | None]] | None = None
        self._node: Node | None = None  # while backward runs
        self._non_differentiable: set[int] = set()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for ``backward``; changing them in place afterwards is noticed there.

        Each is a Tensor, sparse ones included, or None.
        """
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor) and not _is_sparse(tensor):
                raise TypeError(
                    f"save_for_backward: expected Tensors or None, not {type(tensor).__name__}; "
                    "set other values as attributes of ctx"
                )
        self._to_save = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Declare outputs that need no gradient."""
        self._non_differentiable = {id(output) for output in outputs}

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Declare inputs that ``forward`` changed in place and returned."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether undefined cotangents reach ``backward`` as zeros (True) or as None."""
        self._materialize = value

    def _save(self, outputs: tuple[Any, ...]) -> None:
        self._saved = []
        for tensor in self._to_save:
            number = next(
                (i for i, output in enumerate(outputs) if output is tensor and tensor is not None), None
            )
            kept = tensor if tensor is None or number is None else tensor.detach()
            version = 0 if tensor is None else tensor._version
            self._saved.append((kept, version, _layout(tensor), number))
        self._to_save = ()

    def _release(self) -> None:
        self._saved = None

    def _held(self) -> list[Tensor]:
        """The tensors that ``backward`` can find in this object."""
        return list(_tensors_in(self.__dict__))

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to ``save_for_backward``.

        Raises:
            RuntimeError: the graph was freed, or a saved tensor was changed in place since.
        """
        if self._saved is None:
            raise RuntimeError(
                "saved_tensors: the graph was already freed; call backward(retain_graph=True) to unwind it "
                "twice"
            )
        tensors: list[Any] = []
        for position, (tensor, version, layout, output) in enumerate(self._saved):
            if tensor is not None and tensor._version != version:
                raise RuntimeError(
                    f"saved_tensors: tensor {position} saved by {type(self).__name__} was changed in place "
                    f"since (version {tensor._version}, saved at version {version}); clone() it first"
                )
            if _layout(tensor) != layout:
                raise RuntimeError(
                    f"saved_tensors: tensor {position} saved by {type(self).__name__} was rearranged in "
                    "place since; use the operation that returns a new tensor"
                )
            if tensor is not None and output is not None and self._node is not None:
                tensor = _core._result_of(self._node, output, tensor)
            tensors.append(tensor)
        return tuple(tensors)

    saved_variables = saved_tensors


def _is_sparse(value: Any) -> bool:
    # Without importing the class, which few programs need.
    return getattr(value, "is_sparse", False) is True


def _layout(tensor: Any) -> Any:
    return None if tensor is None else (tensor.shape, None if _is_sparse(tensor) else tensor.stride())


def _shown(tensor: Tensor) -> Tensor:
    """An input that is given out, as a tensor of its own."""
    return tensor.detach() if tensor.requires_grad else tensor.view_as(tensor)


def _tensors_in(value: Any, depth: int = 4) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict) and depth:
        for each in value.values():
            yield from _tensors_in(each, depth - 1)
    elif isinstance(value, (list, tuple)) and depth:
        for each in value:
            yield from _tensors_in(each, depth - 1)
    elif _is_sparse(value):
        yield from (value._indices(), value._values())


def _takes_ctx(function: type[Function]) -> bool:
    return function.setup_context is Function.setup_context


class Function(FunctionCtx):
    """Base of user-defined operations.

    Subclasses define ``forward(ctx, *args)`` (or ``forward(*args)`` with
    ``setup_context(ctx, inputs, output)``) and ``backward(ctx, *grad_outputs)``, which returns one
    gradient per argument of forward, None where there is none. They are called by ``apply``. Gradients of
    any order work when ``backward`` is made of operations.
    """

    # How verify() compares the gradient: "derivative", "identity" (a hook's gate), or "nothing".
    verified_as = "derivative"

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from the inputs."""
        raise NotImplementedError("Function: forward must be defined in the subclass")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what backward needs, when ``forward`` takes no ctx."""
        raise NotImplementedError("Function: setup_context is not defined")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the inputs' gradients from the outputs'."""
        raise NotImplementedError("Function: backward must be defined in the subclass")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record ``backward`` for its result."""
        ctx = type(cls.__name__, (FunctionCtx,), {})()
        ctx.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        seen = None if watcher is None else watcher.called(cls, args, kwargs)
        with no_grad():
            if _takes_ctx(cls):
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        for dirty in ctx._dirty:
            _core._mark_written(dirty)
        outputs = result if isinstance(result, tuple) else (result,)
        recording = _core.is_grad_enabled() and any(ctx.needs_input_grad)
        ctx._save(outputs if recording else ())
        if recording:
            outputs = cls._record(ctx, args, outputs, seen)
        else:
            passed_on = {id(arg) for arg in args if isinstance(arg, Tensor)}
            passed_on -= {id(each) for each in ctx._dirty}
            outputs = tuple(_shown(each) if id(each) in passed_on else each for each in outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    @classmethod
    def _record(cls, ctx: Any, args: tuple[Any, ...], outputs: tuple[Any, ...], seen: Any) -> tuple[Any, ...]:
        places = [i for i, output in enumerate(outputs) if isinstance(output, Tensor)]
        tensors = tuple(outputs[i] for i in places)
        differentiable = tuple(id(output) not in ctx._non_differentiable for output in tensors)
        backward = functools.partial(_call_backward, cls, ctx, len(args))
        if seen is not None:
            backward = functools.partial(_unwind_seen, watcher, seen, backward)
        recorded = _core._record_function(
            f"{cls.__name__}Backward",
            backward,
            ctx._release,
            ctx._held,
            args,
            tensors,
            differentiable,
            ctx._materialize,
        )
        dirty = {id(each) for each in ctx._dirty}
        results = list(outputs)
        for place, old, new in zip(places, tensors, recorded, strict=True):
            if id(old) in dirty:
                _core._attach_history(old, new)
                new = old
            results[place] = new
        return tuple(results)


def _call_backward(
    cls: type[Function], ctx: Any, count: int, node: Node, *cotangents: Tensor | None
) -> list[Any]:
    """Run a Function's backward on the tape's cotangents and check what it returns."""
    ctx._node = node
    try:
        result = cls.backward(ctx, *cotangents)
    finally:
        ctx._node = None
    grads = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(grads) > count and all(grad is None for grad in grads[count:]):
        grads = grads[:count]
    if len(grads) != count:
        raise RuntimeError(
            f"{cls.__name__}.backward: returned {len(grads)} gradients for {count} inputs of forward"
        )
    return grads


def _unwind_seen(
    watching: Any, seen: Any, backward: Callable[..., list[Any]], node: Node, *cotangents: Tensor | None
) -> list[Any]:
    """Run the backward of a call that verify() has seen, while it still looks on."""
    if watcher is not watching:
        return backward(node, *cotangents)
    return watching.unwind(seen, backward, node, *cotangents)  # type: ignore[no-any-return]


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a ``backward`` that is not made of operations: differentiating it again raises."""

    @functools.wraps(function)
    def wrapped(ctx: Any, *args: Any) -> Any:
        with no_grad():
            result = function(ctx, *args)
        if not _core.is_grad_enabled() or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        guarded = tuple(_DifferentiatedTwice.apply(o, *args) if isinstance(o, Tensor) else o for o in outputs)
        return guarded if isinstance(result, tuple) else guarded[0]

    return wrapped


class _DifferentiatedTwice(Function):
    """Passes a value on, and raises when a gradient arrives for it."""

    verified_as = "nothing"

    @staticmethod
    def forward(ctx: Any, value: Tensor, *args: Any) -> Tensor:
        """Give the value itself."""
        del ctx, args
        return value.detach()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Refuse."""
        del ctx, grad_outputs
        raise RuntimeError(
            "once_differentiable: this Function's backward was declared to be differentiable only once; "
            "write it with operations and remove the decorator for higher derivatives"
        )
