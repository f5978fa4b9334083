"""Derivatives of functions: Jacobians, Hessians, and their products with vectors.

``func`` takes the inputs as separate arguments and returns a tensor or a tuple of tensors. ``inputs`` is a
tensor or a tuple; results have the same form. Unless ``create_graph`` is set the results are detached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import unspool
from unspool._core import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]


def _as_tuple(value: Any, what: str, function: str) -> tuple[Tensors, bool]:
    """The tensors, and whether they came as a tuple."""
    is_tuple = isinstance(value, tuple)
    values = value if is_tuple else (value,)
    for i, each in enumerate(values):
        if not isinstance(each, Tensor):
            place = f" at index {i}" if is_tuple else ""
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the "
                f"value{place} "
                f"has type {type(each).__name__}."
            )
    return values, is_tuple


def _untupled(values: Sequence[Tensor], is_tuple: bool) -> Any:
    return tuple(values) if is_tuple else values[0]


def _variables(inputs: Tensors, create_graph: bool) -> Tensors:
    """Inputs to differentiate by; with ``create_graph`` they stay connected with their history."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _evaluated(
    function: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
) -> tuple[Tensors, bool, Tensors, bool]:
    """(variables, whether inputs are a tuple, outputs, whether outputs are a tuple)."""
    given, is_tuple = _as_tuple(inputs, "inputs", function)
    variables = _variables(given, create_graph)
    outputs, gives_tuple = _as_tuple(func(*variables), "outputs of the function", function)
    if strict:
        for i, output in enumerate(outputs):
            if not output.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The outputs "
                    f"must be computed "
                    "in a differentiable manner from the input when running in strict mode."
                )
    return variables, is_tuple, outputs, gives_tuple


def _gradients(
    function: str,
    outputs: Sequence[Tensor],
    inputs: Tensors,
    vectors: Sequence[Tensor],
    create_graph: bool,
    strict: bool,
    retain_graph: bool = False,
) -> Tensors:
    """The gradients, with zeros where an input has no influence (an error when ``strict``)."""
    pairs = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if pairs:
        found = unspool.autograd.grad(
            [o for o, _ in pairs],
            inputs,
            [v for _, v in pairs],
            create_graph=create_graph,
            retain_graph=retain_graph or create_graph,
            allow_unused=True,
        )
    if strict:
        for i, each in enumerate(found):
            if each is None:
                raise RuntimeError(
                    f"{function}: the output of the user-provided function is independent of input {i}. "
                    f"This is not "
                    "allowed in strict mode."
                )
    return tuple(
        unspool.zeros_like(x) if each is None else each for x, each in zip(inputs, found, strict=True)
    )


def _vectors(v: Any, like: Tensors, is_tuple: bool, function: str, what: str) -> Tensors:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} of the user-provided function is a single "
                f"element"
            )
        return (unspool.ones_like(like[0]),)
    vectors, _ = _as_tuple(v, "v", function)
    if len(vectors) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}.")
    for i, (vector, each) in enumerate(zip(vectors, like, strict=True)):
        if vector.shape != each.shape:
            raise RuntimeError(
                f"v has invalid size: should be {tuple(each.shape)} but got {tuple(vector.shape)} at "
                f"index {i}."
            )
    del is_tuple
    return vectors


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of ``v`` (one vector per output) with the Jacobian.

    Args:
        func: the function.
        inputs: where it is evaluated.
        v: in the form of the outputs; None stands for 1 where the output is a single number.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.
    """
    with unspool.enable_grad():
        variables, is_tuple, outputs, gives_tuple = _evaluated("vjp", func, inputs, create_graph, strict)
        vectors = _vectors(v, outputs, gives_tuple, "vjp", "output")
        products = _gradients("vjp", outputs, variables, vectors, create_graph, strict)
    if not create_graph:
        outputs = tuple(output.detach() for output in outputs)
    return _untupled(outputs, gives_tuple), _untupled(products, is_tuple)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of the Jacobian with ``v`` (one vector per input), by two backward passes.

    Arguments are those of ``vjp``; ``v`` has the form of the inputs.
    """
    with unspool.enable_grad():
        variables, is_tuple, outputs, gives_tuple = _evaluated("jvp", func, inputs, create_graph, strict)
        vectors = _vectors(v, variables, is_tuple, "jvp", "input")
        # vᵀ J is linear in v, and its derivative by v is J.
        duals = tuple(unspool.zeros_like(output).requires_grad_() for output in outputs)
        transposed = _gradients("jvp", outputs, variables, duals, True, strict)
        products = _gradients("jvp", transposed, duals, vectors, create_graph, strict)
    if not create_graph:
        outputs = tuple(output.detach() for output in outputs)
    return _untupled(outputs, gives_tuple), _untupled(products, gives_tuple)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of outputs by inputs: shapes of output and input joined, nested as outputs[inputs].

    ``vectorize`` and ``strategy`` choose between ways to the same result elsewhere; here it is one backward
    pass for each element of the outputs.
    """
    del vectorize
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function '
            "has more outputs "
            f'than inputs, "forward-mode" tends to be more performant. Got {strategy!r}'
        )
    with unspool.enable_grad():
        variables, is_tuple, outputs, gives_tuple = _evaluated("jacobian", func, inputs, create_graph, strict)
        rows = [_rows(output, variables, create_graph, strict) for output in outputs]
    nested = [_untupled(row, is_tuple) for row in rows]
    return tuple(nested) if gives_tuple else nested[0]


def _rows(output: Tensor, variables: Tensors, create_graph: bool, strict: bool) -> list[Tensor]:
    """The Jacobians of one output by each of the variables."""
    elements = output.reshape(-1)
    rows: list[list[Tensor]] = [[] for _ in variables]
    one = unspool.ones((), dtype=output.dtype)
    for i in range(elements.numel()):
        gradients = _gradients("jacobian", [elements[i]], variables, [one], create_graph, strict, True)
        for row, gradient in zip(rows, gradients, strict=True):
            row.append(gradient)
    return [
        (unspool.stack(row) if row else x.new_zeros(0, *x.shape)).reshape(*output.shape, *x.shape)
        for row, x in zip(rows, variables, strict=True)
    ]


def _scalar(function: str, func: Callable[..., Any]) -> Callable[..., Any]:
    """``func``, which must give one number."""

    def checked(*args: Tensor) -> Tensor:
        output = func(*args)
        if not isinstance(output, Tensor) or output.numel() != 1:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise RuntimeError(
                f"{function}: The Tensor returned by the function given to it should contain a single "
                f"element; got "
                f"{shape}"
            )
        return output.reshape(())

    return checked


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Second derivatives of a function that gives one number, nested as inputs[inputs]."""
    given, is_tuple = _as_tuple(inputs, "inputs", "hessian")
    checked = _scalar("hessian", func)

    def gradient(*variables: Tensor) -> Any:
        result = jacobian(checked, variables, create_graph=True, strict=strict)
        return tuple(
            each if each.requires_grad else each + 0 * x.sum()
            for each, x in zip(result, variables, strict=True)
        )

    rows = jacobian(gradient, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return rows if is_tuple else rows[0][0]


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, one number, and the product of ``v`` (one vector per input) with the Hessian."""
    with unspool.enable_grad():
        variables, is_tuple, outputs, _ = _evaluated(
            "vhp", _scalar("vhp", func), inputs, create_graph, strict
        )
        vectors = _vectors(v, variables, is_tuple, "vhp", "input")
        one = unspool.ones((), dtype=outputs[0].dtype)
        gradients = _gradients("vhp", outputs, variables, [one], True, strict)
        products = _gradients("vhp", gradients, variables, vectors, create_graph, strict)
    output = outputs[0] if create_graph else outputs[0].detach()
    return output, _untupled(products, is_tuple)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The same as ``vhp``, because Hessians of functions with continuous second derivatives are symmetric."""
    return vhp(func, inputs, v, create_graph, strict)
