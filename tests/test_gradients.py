"""First and second derivatives of every differentiable row, against differences of the NumPy reference.

First: for random cotangents v and directions u, <grad, u> against a sixth-order central difference of <v,
f(x + t u)> in which f is the reference, so an error of the forward pass cannot hide one of the backward
pass. Second: the double backward of <w, grad> against the same difference of the first gradient. Rows keep
their inputs away from kinks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unspool as us
from harness import (
    CONTIGUOUS,
    DENSE_LAYOUTS,
    Layout,
    array_map,
    arrays_in,
    draws,
    main_function,
    outputs,
    placed,
    to_array,
)
from reference import ROWS, Row
from reference.rows import Sample

Array = npt.NDArray[Any]

STEP = 1e-3
STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
TOLERANCE = 2e-8
LARGEST = 200  # elements of a sample that is checked

DIFFERENTIABLE = [name for name, row in ROWS.items() if row.gradient and "float64" in row.dtypes]
by_row = pytest.mark.parametrize("name", DIFFERENTIABLE)


def smooth_samples(row: Row) -> list[Sample]:
    """The samples of a row at which derivatives are checked."""
    return [
        sample
        for sample in draws(row, "float64")
        if sample.smooth and sum(a.size for a in arrays_in([sample.args, sample.kwargs])) <= LARGEST
    ]


def variables(row: Row, args: tuple[Any, ...]) -> list[Any]:
    """The differentiable floating arrays or tensors among positional arguments, in order."""
    found: list[Any] = []
    for position, value in enumerate(args):
        if position in row.fixed:
            continue
        for item in value if isinstance(value, list | tuple) else (value,):
            is_array = isinstance(item, np.ndarray) and item.dtype.kind == "f"
            if is_array or (isinstance(item, us.Tensor) and item.is_floating_point()):
                found.append(item)
    return found


def replaced(row: Row, sample: Sample, index: int, array: Array) -> Sample:
    """The sample with its variable number `index` replaced."""
    chosen = variables(row, sample.args)[index]
    return Sample(array_map(sample.args, lambda a: array if a is chosen else a), sample.kwargs)


def tensors_of(row: Row, sample: Sample, layout: Layout = CONTIGUOUS) -> tuple[Sample, list[Any]]:
    """The sample as tensors and its variables, which now require gradients."""
    pair = placed(sample, layout) or placed(sample, CONTIGUOUS)
    assert pair is not None
    leaves = [leaf.requires_grad_() for leaf in variables(row, pair[1].args)]
    return pair[1], leaves


def differentiable_outputs(row: Row, tensors: Sample) -> list[Any]:
    """The outputs that carry a gradient."""
    result = outputs(main_function(row)(*tensors.args, **tensors.kwargs))
    return [output for output in result if output.requires_grad]


def first_gradients(
    row: Row, sample: Sample, cotangents: list[Array], layout: Layout = CONTIGUOUS
) -> tuple[list[Array], list[Any], list[Any], list[Any]]:
    """(gradients as arrays, gradients as tensors with graph, leaves, cotangent tensors)."""
    tensors, leaves = tensors_of(row, sample, layout)
    results = differentiable_outputs(row, tensors)
    seeds = [us.from_numpy(c.copy()).requires_grad_() for c in cotangents]
    if not results:
        return [np.zeros(tuple(leaf.shape)) for leaf in leaves], [None] * len(leaves), leaves, seeds
    gradients = us.autograd.grad(results, leaves, grad_outputs=seeds, create_graph=True, allow_unused=True)
    arrays = [
        np.zeros(tuple(leaf.shape)) if gradient is None else to_array(gradient)
        for gradient, leaf in zip(gradients, leaves, strict=True)
    ]
    return arrays, list(gradients), leaves, seeds


def slope(function: Callable[[float], float]) -> float:
    """The derivative at zero by a sixth-order central difference."""
    return sum(weight * (function(n * STEP) - function(-n * STEP)) for n, weight in STENCIL) / STEP


def reference_projection(row: Row, sample: Sample, cotangents: list[Array]) -> float:
    """<v, f(x)> over the floating outputs of the reference."""
    with np.errstate(all="ignore"):
        results = [np.asarray(o) for o in outputs(row.reference(*sample.args, **sample.kwargs))]
    floating = [r for r in results if r.dtype.kind == "f"]
    return float(sum((r * c).sum() for r, c in zip(floating, cotangents, strict=True)))


def cotangents_of(row: Row, sample: Sample, rng: np.random.Generator) -> list[Array] | None:
    """Random cotangents for the outputs that carry gradients; None where nothing finite comes out."""
    tensors, _ = tensors_of(row, sample)
    results = differentiable_outputs(row, tensors)
    if not results or not all(np.isfinite(to_array(r)).all() for r in results):
        return None
    return [
        np.asarray(rng.uniform(0.5, 1.5, tuple(r.shape)) * rng.choice([-1.0, 1.0], tuple(r.shape)))
        for r in results
    ]


def assert_slope(measured: float, claimed: Array, direction: Array, what: str) -> None:
    """<claimed, direction> against a measured slope, relative to the sum of the absolute terms."""
    value = float((claimed * direction).sum())
    scale = max(1.0, float(np.abs(claimed * direction).sum()), abs(measured))
    assert abs(value - measured) <= TOLERANCE * scale, (
        f"{what}: gradient {value!r}, difference {measured!r}, off by {abs(value - measured) / scale:.1e}"
    )


@by_row
def test_gradient_equals_the_slope_of_the_reference(name: str) -> None:
    row = ROWS[name]
    rng = np.random.default_rng(1)
    checked = 0
    for sample in smooth_samples(row):
        cotangents = cotangents_of(row, sample, rng)
        if cotangents is None:
            continue
        gradients, *_ = first_gradients(row, sample, cotangents)
        for index, gradient in enumerate(gradients):
            point = variables(row, sample.args)[index]
            assert gradient.shape == point.shape, (
                f"{row.name}{sample}: gradient {index} has shape {gradient.shape}"
            )
            direction = rng.choice([-1.0, 1.0], point.shape)

            def along(
                t: float, index: int = index, point: Array = point, direction: Array = direction
            ) -> float:
                moved = replaced(row, sample, index, np.asarray(point + t * direction))  # noqa: B023
                return reference_projection(row, moved, cotangents)  # noqa: B023

            assert_slope(slope(along), gradient, direction, f"{row.name}{sample}, argument {index}")
            checked += 1
    assert checked, "no sample of this row could be checked"


@by_row
def test_second_derivative_equals_the_slope_of_the_gradient(name: str) -> None:
    row = ROWS[name]
    if not row.second:
        return
    rng = np.random.default_rng(2)
    for sample in smooth_samples(row):
        cotangents = cotangents_of(row, sample, rng)
        if cotangents is None:
            continue
        weights = [np.asarray(rng.uniform(-1.5, 1.5, a.shape)) for a in variables(row, sample.args)]
        _, gradients, leaves, seeds = first_gradients(row, sample, cotangents)
        terms = [
            (g * us.from_numpy(w)).sum() for g, w in zip(gradients, weights, strict=True) if g is not None
        ]
        terms = [term for term in terms if term.requires_grad]
        inputs = [*leaves, *seeds]
        second: list[Any] = [None] * len(inputs)
        if terms:
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            second = list(us.autograd.grad(total, inputs, allow_unused=True))
        for index, gradient in enumerate(second):
            is_leaf = index < len(leaves)
            point = variables(row, sample.args)[index] if is_leaf else cotangents[index - len(leaves)]
            claimed = np.zeros(point.shape) if gradient is None else to_array(gradient)
            assert claimed.shape == point.shape
            direction = rng.choice([-1.0, 1.0], point.shape)

            def along(
                t: float, index: int = index, point: Array = point, direction: Array = direction
            ) -> float:
                moved = np.asarray(point + t * direction)
                at, seeds_at = sample, list(cotangents)  # noqa: B023
                if index < len(leaves):  # noqa: B023
                    at = replaced(row, sample, index, moved)  # noqa: B023
                else:
                    seeds_at[index - len(leaves)] = moved  # noqa: B023
                arrays, *_ = first_gradients(row, at, seeds_at)
                return float(sum((a * w).sum() for a, w in zip(arrays, weights, strict=True)))  # noqa: B023

            what = "argument" if is_leaf else "cotangent"
            assert_slope(slope(along), claimed, direction, f"{row.name}{sample}, second, {what} {index}")


@by_row
def test_gradient_is_the_same_for_strided_inputs(name: str) -> None:
    row = ROWS[name]
    rng = np.random.default_rng(3)
    for sample in smooth_samples(row):
        cotangents = cotangents_of(row, sample, rng)
        if cotangents is None or not row.reshapes:
            continue
        plain, *_ = first_gradients(row, sample, cotangents)
        for layout in DENSE_LAYOUTS:
            moved, *_ = first_gradients(row, sample, cotangents, layout)
            for a, b in zip(plain, moved, strict=True):
                np.testing.assert_allclose(
                    b, a, rtol=1e-13, atol=1e-14, err_msg=f"{row.name}{sample} {layout.name}"
                )


@by_row
def test_float32_gradient_has_the_input_dtype_and_the_float64_values(name: str) -> None:
    row = ROWS[name]
    if "float32" not in row.dtypes:
        return
    rng = np.random.default_rng(4)
    for sample in smooth_samples(row)[:4]:
        cotangents = cotangents_of(row, sample, rng)
        if cotangents is None:
            continue
        single = Sample(
            array_map(sample.args, lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a),
            {k: array_map(v, lambda a: a.astype(np.float32)) for k, v in sample.kwargs.items()},
        )
        precise = Sample(
            array_map(single.args, lambda a: a.astype(np.float64) if a.dtype.kind == "f" else a),
            {k: array_map(v, lambda a: a.astype(np.float64)) for k, v in single.kwargs.items()},
        )
        wide, *_ = first_gradients(row, precise, cotangents)
        tensors, leaves = tensors_of(row, single)
        results = differentiable_outputs(row, tensors)
        seeds = [us.from_numpy(c.astype(to_array(r).dtype)) for c, r in zip(cotangents, results, strict=True)]
        narrow = us.autograd.grad(results, leaves, grad_outputs=seeds, allow_unused=True)
        for a, b, leaf in zip(wide, narrow, leaves, strict=True):
            if b is None:
                continue
            assert b.dtype == leaf.dtype
            limit = 2e-5 * max(1.0, float(np.abs(a).max(initial=0.0)))
            np.testing.assert_allclose(to_array(b), a, rtol=1e-5, atol=limit, err_msg=f"{row.name}{sample}")


@by_row
def test_gradcheck_and_gradgradcheck_agree(name: str) -> None:
    row = ROWS[name]
    candidates = [s for s in smooth_samples(row) if 0 < sum(a.size for a in arrays_in(s.args)) <= 40]
    for sample in candidates[:2]:
        if cotangents_of(row, sample, np.random.default_rng(5)) is None:
            continue
        tensors, leaves = tensors_of(row, sample)

        def run(*inputs: Any, tensors: Sample = tensors, leaves: list[Any] = leaves) -> Any:
            swap = {id(leaf): new for leaf, new in zip(leaves, inputs, strict=True)}

            def change(value: Any) -> Any:
                if isinstance(value, list | tuple):
                    return type(value)(change(v) for v in value)
                return swap.get(id(value), value)

            results = outputs(main_function(row)(*change(tensors.args), **tensors.kwargs))
            return tuple(r for r in results if r.is_floating_point())

        assert us.autograd.gradcheck(run, tuple(leaves))
        if row.second:
            assert us.autograd.gradgradcheck(run, tuple(leaves))


@pytest.mark.parametrize("name", [n for n, r in ROWS.items() if not r.gradient])
def test_operations_without_a_derivative_do_not_pretend_to_have_one(name: str) -> None:
    row = ROWS[name]
    if "float64" not in row.dtypes:
        return
    sample = smooth_samples(row)[0]
    tensors, leaves = tensors_of(row, sample)
    for output in outputs(main_function(row)(*tensors.args, **tensors.kwargs)):
        if not (output.is_floating_point() and output.requires_grad):
            continue
        try:  # rounding has derivative zero almost everywhere; anything else must say that it has none
            output.sum().backward()
        except (RuntimeError, NotImplementedError):
            continue
        assert all(leaf.grad is None or not to_array(leaf.grad).any() for leaf in leaves)
