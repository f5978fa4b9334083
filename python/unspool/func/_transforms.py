"""Transformations by means of the tape."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import unspool
from unspool._core import Tensor

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


class _Level(threading.local):
    depth = 0


_level = _Level()


@contextmanager
def _nested() -> Iterator[bool]:
    """One transformation deeper; tells whether another one is already running."""
    is_inner = _level.depth > 0
    _level.depth += 1
    try:
        with unspool.enable_grad():
            yield is_inner
    finally:
        _level.depth -= 1


def _leaves(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in _leaves(value)]
    if isinstance(tree, list | tuple):
        return [leaf for value in tree for leaf in _leaves(value)]
    return []


def _mapped(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same nest with every tensor changed."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, dict):
        return type(tree)((key, _mapped(value, change)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_mapped(value, change) for value in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(_mapped(value, change) for value in tree)
    return tree


def _rebuilt(tree: Any, leaves: Sequence[Any]) -> Any:
    """The same nest with its tensors replaced in order."""
    following = iter(leaves)
    return _mapped(tree, lambda _: next(following))


def _variable(x: Tensor) -> Tensor:
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _variables(tree: Any) -> tuple[Any, list[Tensor], bool]:
    """The nest with variables for tensors, these, and whether results must be differentiable."""
    result = _mapped(tree, _variable)
    return result, _leaves(result), any(leaf.requires_grad for leaf in _leaves(tree))


def _gradients(
    outputs: list[Tensor], inputs: list[Tensor], vectors: list[Tensor], create: bool
) -> list[Tensor]:
    pairs = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if pairs:
        found = unspool.autograd.grad(
            [o for o, _ in pairs],
            inputs,
            [v for _, v in pairs],
            create_graph=create,
            retain_graph=True,
            allow_unused=True,
        )
    return [unspool.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def _picked(args: tuple[Any, ...], argnums: Argnums) -> Any:
    picks = (argnums,) if isinstance(argnums, int) else argnums
    for i in picks:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def _replaced(args: tuple[Any, ...], argnums: Argnums, values: Any) -> list[Any]:
    result = list(args)
    for i, value in [(argnums, values)] if isinstance(argnums, int) else zip(argnums, values, strict=True):
        result[i] = value
    return result


def _detached(tree: Any, create: bool) -> Any:
    return tree if create else _mapped(tree, lambda x: x.detach())


def grad_and_value(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives (gradient, value) of ``func``, which must give one number.

    Args:
        func: with ``has_aux`` it gives (number, anything), and the new function (gradient, (number,
            anything)).
        argnums: the argument, or arguments, to differentiate by.
        has_aux: see ``func``.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with _nested() as is_inner:
            tree, variables, create = _variables(_picked(args, argnums))
            create = create or is_inner
            output = func(*_replaced(args, argnums, tree), **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value: with has_aux=True the function must return a tuple of two"
                    )
                output, aux = output
            if not isinstance(output, Tensor):
                raise RuntimeError(f"Expected f(*args) to return a Tensor, got {type(output).__name__}")
            if output.ndim != 0:
                raise RuntimeError(
                    "Expected f(*args) to return a scalar tensor, got tensor with "
                    f"{output.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            gradients = _gradients([output], variables, [unspool.ones_like(output)], create)
        gradient = _rebuilt(tree, gradients)
        value, aux = _detached(output, create), _detached(aux, create)
        return gradient, (value, aux) if has_aux else value

    return wrapper


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of ``func``, or (gradient, aux); see ``grad_and_value``."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """(output, function of cotangents that gives the cotangents of ``primals``), and aux with ``has_aux``.

    The function takes what has the form of the output, and gives a tuple with an entry for each primal.
    """
    with _nested() as is_inner:
        tree, variables, create = _variables(primals)
        create = create or is_inner
        output = func(*tree)
        aux = None
        if has_aux:
            output, aux = output
    leaves = _leaves(output)
    if not leaves:
        raise RuntimeError("vjp: the function must return tensors")

    def pull(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        del retain_graph
        vectors = _leaves(cotangents)
        if len(vectors) != len(leaves):
            raise RuntimeError(f"vjp: expected {len(leaves)} cotangents, got {len(vectors)}")
        differentiable = create or any(v.requires_grad for v in vectors) or _level.depth > 0
        with unspool.enable_grad():
            found = _gradients(
                leaves, variables, vectors, differentiable if create_graph is None else create_graph
            )
        return _rebuilt(tree, found)

    result = _detached(output, create)
    return (result, pull, _detached(aux, create)) if has_aux else (result, pull)


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(output, derivative of the output in the direction ``tangents``), by two backward passes."""
    del strict
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to be tuples of equal length"
        )
    with _nested() as is_inner:
        tree, variables, create = _variables(primals)
        create = create or is_inner or any(t.requires_grad for t in _leaves(tangents))
        output = func(*tree)
        aux = None
        if has_aux:
            output, aux = output
        leaves = _leaves(output)
        duals = [unspool.zeros_like(leaf).requires_grad_() for leaf in leaves]
        transposed = _gradients(leaves, variables, duals, True)
        found = _gradients(transposed, duals, _leaves(tangents), create)
    result = (_detached(output, create), _rebuilt(output, found))
    return (*result, _detached(aux, create)) if has_aux else result


def jacrev(
    func: Function,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Function:
    """A function that gives the Jacobian of ``func``: nests of the argument in the nest of the output."""
    del chunk_size, _preallocate_and_copy

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with _nested() as is_inner:
            tree, variables, create = _variables(_picked(args, argnums))
            create = create or is_inner
            output = func(*_replaced(args, argnums, tree), **kwargs)
            aux = None
            if has_aux:
                output, aux = output
            result = _mapped(output, lambda leaf: _rebuilt(tree, _rows(leaf, variables, create)))
        return (result, _detached(aux, create)) if has_aux else result

    return wrapper


def _rows(output: Tensor, variables: list[Tensor], create: bool) -> list[Tensor]:
    elements = output.reshape(-1)
    one = unspool.ones((), dtype=output.dtype)
    rows = [_gradients([elements[i]], variables, [one], create) for i in range(elements.numel())]
    return [
        (unspool.stack([row[k] for row in rows]) if rows else x.new_zeros(0, *x.shape)).reshape(
            *output.shape, *x.shape
        )
        for k, x in enumerate(variables)
    ]


def jacfwd(
    func: Function, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Function:
    """The same as ``jacrev``: one backward pass per element of the output."""
    del randomness
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Function, argnums: Argnums = 0) -> Function:
    """A function that gives the second derivatives of ``func``."""
    return jacrev(jacrev(func, argnums), argnums)


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """(output, function of tangents that gives the derivative of the output in their direction).

    ``func`` is called once. The function takes as many tangents as there are primals, and may be called any
    number of times; its results are not differentiable.
    """
    with _nested():
        tree, variables, _ = _variables(primals)
        output = func(*tree)
        leaves = _leaves(output)
        duals = [unspool.zeros_like(leaf).requires_grad_() for leaf in leaves]
        transposed = _gradients(leaves, variables, duals, True)
    shapes = [x.shape for x in variables]

    def push(*tangents: Any) -> Any:
        vectors = _leaves(tangents)
        if [v.shape for v in vectors] != shapes:
            raise RuntimeError(
                f"linearize: expected tangents of shapes {[tuple(s) for s in shapes]}, as of the primals, "
                f"got {[tuple(v.shape) for v in vectors]}"
            )
        return _detached(_rebuilt(output, _gradients(transposed, duals, vectors, False)), False)

    return _detached(output, False), push
