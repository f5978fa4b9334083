"""Properties for random shapes, indices, dims and dtypes: broadcasting, indexing, promotion, reductions.

NumPy is the judge where it agrees with PyTorch's documentation; promotion is judged by the table of
tests/reference/promotion.py, written from that documentation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import unspool as us
from reference import promotion

Array = npt.NDArray[Any]

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
SOLID = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


def filled(shape: tuple[int, ...], start: int = 0) -> Array:
    """Distinct float64 values."""
    return (np.arange(int(np.prod(shape)), dtype=np.float64) + start).reshape(shape)


def close(tensor: Any, array: Any, rtol: float = 1e-13) -> None:
    """Equal shapes and nearly equal values."""
    assert tuple(tensor.shape) == np.shape(array)
    np.testing.assert_allclose(tensor.detach().numpy(), array, rtol=rtol, atol=1e-12)


# Broadcasting -----------------------------------------------------------------------------------------


PAIRS = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0)
TRIPLES = hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=4, min_side=0)


@given(PAIRS)
def test_two_operands_broadcast_as_in_numpy(shapes: Any) -> None:
    a, b = (filled(shape, 1 + i) for i, shape in enumerate(shapes.input_shapes))
    x, y = us.from_numpy(a), us.from_numpy(b)
    close(x + y, a + b)
    close(x * y, a * b)
    close(x / y, a / b)
    close(us.maximum(x, y), np.maximum(a, b))
    assert ((x < y).numpy() == (a < b)).all()
    assert us.broadcast_shapes(a.shape, b.shape) == shapes.result_shape


@given(TRIPLES)
def test_three_operands_broadcast_as_in_numpy(shapes: Any) -> None:
    a, b, c = (filled(shape, 1 + i) for i, shape in enumerate(shapes.input_shapes))
    x, y, z = us.from_numpy(a), us.from_numpy(b), us.from_numpy(c)
    close(us.where(z % 2 == 0, x, y), np.where(c % 2 == 0, a, b))
    close(us.addcmul(x, y, z, value=0.5), a + 0.5 * b * c)
    close(us.lerp(x, y, z), a + c * (b - a), rtol=1e-12)
    tensors = us.broadcast_tensors(x, y, z)
    assert all(tuple(t.shape) == shapes.result_shape for t in tensors)


@given(PAIRS)
def test_gradients_are_summed_over_broadcast_dims(shapes: Any) -> None:
    a, b = (filled(shape, 1 + i) for i, shape in enumerate(shapes.input_shapes))
    x, y = us.from_numpy(a).requires_grad_(), us.from_numpy(b).requires_grad_()
    (x * y).sum().backward()
    close(x.grad, summed_to(np.broadcast_to(b, shapes.result_shape), a.shape))
    close(y.grad, summed_to(np.broadcast_to(a, shapes.result_shape), b.shape))


def summed_to(array: Array, shape: tuple[int, ...]) -> Array:
    """The sum over the dims by which `shape` was broadcast."""
    lead = array.ndim - len(shape)
    array = array.sum(axis=tuple(range(lead)))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and array.shape[i] != 1)
    return np.asarray(array.sum(axis=axes, keepdims=True))


@given(SHAPES, SHAPES)
def test_shapes_that_numpy_refuses_raise(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    try:
        np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(RuntimeError):
            us.ones(first) + us.ones(second)
    else:
        assert tuple((us.ones(first) + us.ones(second)).shape) == np.broadcast_shapes(first, second)


@given(PAIRS)
def test_in_place_works_exactly_when_the_result_has_the_target_shape(shapes: Any) -> None:
    first, second = shapes.input_shapes
    target = us.ones(first)
    if shapes.result_shape == first:
        target.add_(us.ones(second))
        assert (target.numpy() == 2).all()
    else:
        with pytest.raises(RuntimeError):
            target.add_(us.ones(second))
        assert (target.numpy() == 1).all()


# Indexing ---------------------------------------------------------------------------------------------


@st.composite
def shape_and_index(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A shape and a basic index for it, without negative steps (which PyTorch's semantics exclude)."""
    shape = draw(SHAPES)
    index = draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))
    parts = index if isinstance(index, tuple) else (index,)
    assume(not any(isinstance(p, slice) and p.step is not None and p.step < 0 for p in parts))
    return shape, index


@given(shape_and_index())
def test_reading(case: tuple[tuple[int, ...], Any]) -> None:
    shape, index = case
    array = filled(shape)
    tensor = us.from_numpy(array)
    result = tensor[index]
    close(result, array[index])
    if result.numel():
        assert np.shares_memory(result.numpy(), array)


@given(shape_and_index())
def test_writing(case: tuple[tuple[int, ...], Any]) -> None:
    shape, index = case
    array, tensor = filled(shape), us.from_numpy(filled(shape))
    value = np.asarray(-filled(np.shape(array[index]), 1))
    array[index] = value
    tensor[index] = us.from_numpy(value)
    close(tensor, array)
    array[index] = 0.5
    tensor[index] = 0.5
    close(tensor, array)


@given(shape_and_index())
def test_the_gradient_of_reading_is_a_scatter(case: tuple[tuple[int, ...], Any]) -> None:
    shape, index = case
    tensor = us.from_numpy(filled(shape)).requires_grad_()
    result = tensor[index]
    weights = filled(tuple(result.shape), 1)
    (result * us.from_numpy(weights)).sum().backward()
    expected = np.zeros(shape)
    expected[index] = weights
    close(tensor.grad, expected)


STEPS = st.lists(st.integers(0, 7), min_size=1, max_size=6)


@given(SOLID, STEPS, st.data())
def test_a_chain_of_views_equals_numpy_and_shares_storage(
    shape: tuple[int, ...], steps: list[int], data: st.DataObject
) -> None:
    array = filled(shape)
    tensor = us.from_numpy(array)
    seen: Array = array
    for step in steps:
        dims = seen.ndim
        axis = data.draw(st.integers(0, dims - 1)) if dims else 0
        if step == 0 and dims:
            other = data.draw(st.integers(0, dims - 1))
            seen, tensor = seen.swapaxes(axis, other), tensor.transpose(axis, other)
        elif step == 1:
            seen, tensor = np.expand_dims(seen, axis), tensor.unsqueeze(axis)
        elif step == 2 and dims > 1:
            first = (slice(None),) * axis + (0,)
            seen, tensor = seen[first], tensor.select(axis, 0)
        elif step == 3 and dims:
            cut = (slice(None),) * axis + (slice(0, max(1, seen.shape[axis] // 2)),)
            seen, tensor = seen[cut], tensor.narrow(axis, 0, max(1, tensor.shape[axis] // 2))
        elif step == 4 and dims:
            every = (slice(None),) * axis + (slice(None, None, 2),)
            seen, tensor = seen[every], tensor[every]
        elif step == 5:
            order = data.draw(st.permutations(range(dims)))
            seen, tensor = seen.transpose(order), tensor.permute(*order) if dims else tensor
        elif step == 6:
            seen, tensor = seen.reshape(-1), tensor.reshape(-1)
        elif step == 7 and dims:
            seen, tensor = seen[..., None], tensor[..., None]
        close(tensor, seen)
        if seen.flags.c_contiguous:
            assert tensor.is_contiguous()
    close(tensor.contiguous(), seen)
    close(tensor.sum(), seen.sum())
    close(tensor + 1, seen + 1)


# Promotion --------------------------------------------------------------------------------------------


def dtype_of(name: str) -> Any:
    """The library's dtype of a name."""
    return getattr(us, name)


def name_of(tensor: Any) -> str:
    """A tensor's dtype as a NumPy name."""
    return str(tensor.dtype).rpartition(".")[2]


EVERY_PAIR = list(itertools.product(promotion.DTYPES, promotion.DTYPES))
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": us.add,
    "mul": us.mul,
    "maximum": us.maximum,
    "where": lambda a, b: us.where(us.tensor(True), a, b),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("first", "second"), EVERY_PAIR)
def test_promotion_of_every_pair_and_rank(first: str, second: str, function: str) -> None:
    run = FUNCTIONS[function]
    for size_a, size_b in itertools.product(((3,), (1, 3), ()), repeat=2):
        a, b = np.ones(size_a, dtype=first), np.ones(size_b, dtype=second)
        result = run(us.from_numpy(a), us.from_numpy(b))
        expected = promotion.result_type((a, b))
        assert name_of(result) == expected, f"{function}: {first}{size_a} with {second}{size_b}"
        assert name_of(us.zeros(1, dtype=us.result_type(us.from_numpy(a), us.from_numpy(b)))) == expected
    assert us.promote_types(dtype_of(first), dtype_of(second)) == dtype_of(promotion.promote(first, second))


@pytest.mark.parametrize("dtype", promotion.DTYPES)
@pytest.mark.parametrize("number", [True, 2, 2.5], ids=["bool", "int", "float"])
def test_promotion_with_python_numbers(dtype: str, number: Any) -> None:
    for size in ((3,), ()):
        array = np.ones(size, dtype=dtype)
        tensor = us.from_numpy(array)
        expected = promotion.result_type((array, number))
        for result in (
            tensor + number,
            number + tensor,
            tensor * number,
            us.where(us.tensor(True), tensor, number),
        ):
            assert name_of(result) == expected, f"{dtype}{size} with {number!r}"
        assert name_of(tensor == number) == "bool"
        assert name_of(tensor / 2) == promotion.result_type((array, 2.0))


@pytest.mark.parametrize(("first", "second"), EVERY_PAIR)
def test_comparisons_and_joins_promote(first: str, second: str) -> None:
    a, b = us.ones(2, dtype=dtype_of(first)), us.ones(2, dtype=dtype_of(second))
    assert name_of(a == b) == "bool"
    assert (a == b).tolist() == [True, True]
    joined = us.cat([a, b])
    assert name_of(joined) == promotion.promote(first, second)
    assert us.stack([a, b]).dtype == joined.dtype


@pytest.mark.parametrize(("source", "target"), EVERY_PAIR)
def test_in_place_results_are_cast_within_a_category_only(source: str, target: str) -> None:
    tensor = us.ones(3, dtype=dtype_of(target))
    other = us.ones(3, dtype=dtype_of(source))
    result = promotion.promote(target, source)
    allowed = promotion.CATEGORY[result] <= promotion.CATEGORY[target]
    assert us.can_cast(dtype_of(result), dtype_of(target)) == allowed
    if allowed:
        tensor.mul_(other)
        assert name_of(tensor) == target
    else:
        with pytest.raises(RuntimeError):
            tensor.mul_(other)


# Reductions -------------------------------------------------------------------------------------------


@st.composite
def shape_and_dims(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """A shape, distinct dims of it (some counted from the end), and keepdim."""
    shape = draw(SOLID)
    dims = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    signed = tuple(d - len(shape) if draw(st.booleans()) else d for d in dims)
    return shape, signed, draw(st.booleans())


@given(shape_and_dims(), st.booleans())
def test_reductions_over_any_dims(case: tuple[tuple[int, ...], tuple[int, ...], bool], flipped: bool) -> None:
    shape, dims, keep = case
    array = np.asarray(np.sin(filled(shape)))
    tensor = us.from_numpy(array.copy())
    if flipped and array.ndim > 1:
        array, tensor = array.swapaxes(0, 1), tensor.transpose(0, 1)
    close(tensor.sum(dims, keepdim=keep), array.sum(axis=dims, keepdims=keep))
    close(tensor.mean(dims, keepdim=keep), array.mean(axis=dims, keepdims=keep))
    close(tensor.amax(dims, keepdim=keep), array.max(axis=dims, keepdims=keep))
    close(tensor.amin(dims, keepdim=keep), array.min(axis=dims, keepdims=keep))
    close(tensor.var(dims, correction=0, keepdim=keep), array.var(axis=dims, keepdims=keep), rtol=1e-11)
    expected = np.log(np.exp(array).sum(axis=dims, keepdims=keep))
    close(tensor.logsumexp(dims, keepdim=keep), expected)
    assert (
        (tensor > 0).any(dims[0], keepdim=keep).numpy() == (array > 0).any(axis=dims[0], keepdims=keep)
    ).all()
    close(tensor.prod(dims[0], keepdim=keep), array.prod(axis=dims[0], keepdims=keep), rtol=1e-12)
    assert (tensor.argmax(dims[0], keepdim=keep).numpy() == array.argmax(axis=dims[0], keepdims=keep)).all()


@given(shape_and_dims())
def test_the_gradient_of_a_sum_is_its_broadcast_cotangent(
    case: tuple[tuple[int, ...], tuple[int, ...], bool],
) -> None:
    shape, dims, keep = case
    tensor = us.from_numpy(filled(shape)).requires_grad_()
    result = tensor.sum(dims, keepdim=keep)
    weights = filled(tuple(result.shape), 1)
    (result * us.from_numpy(weights)).sum().backward()
    expanded = weights if keep else np.expand_dims(weights, tuple(d % len(shape) for d in dims))
    close(tensor.grad, np.broadcast_to(expanded, shape))


@given(SHAPES)
def test_reductions_of_everything(shape: tuple[int, ...]) -> None:
    array = np.asarray(np.cos(filled(shape)))
    tensor = us.from_numpy(array)
    close(tensor.sum(), array.sum())
    close(tensor.prod(), array.prod())
    assert tensor.any().item() == (array != 0).any()
    assert tensor.all().item() == (array != 0).all()
    if array.size:
        close(tensor.max(), array.max())
        assert tensor.argmin().item() == array.argmin()


# Products, joins, reshapes ----------------------------------------------------------------------------


@given(
    hnp.mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=4, min_side=0)
)
def test_matmul_shapes(shapes: Any) -> None:
    first, second = shapes.input_shapes
    a, b = np.asarray(np.sin(filled(first))), np.asarray(np.cos(filled(second)))
    close(us.from_numpy(a) @ us.from_numpy(b), np.matmul(a, b), rtol=1e-12)


@given(SOLID, st.data())
def test_split_and_cat_are_inverse(shape: tuple[int, ...], data: st.DataObject) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = data.draw(st.integers(1, 6))
    tensor = us.from_numpy(filled(shape))
    close(us.cat(us.split(tensor, size, dim), dim), tensor.numpy())
    close(us.cat(us.chunk(tensor, size, dim), dim), tensor.numpy())
    close(us.stack(us.unbind(tensor, dim), dim), tensor.numpy())


@given(SHAPES, st.data())
def test_reshape_to_any_factorisation(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = filled(shape)
    count = array.size
    target: list[int] = []
    rest = count
    while rest > 1:
        factor = data.draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0]))
        if factor == 1:
            break
        target.append(factor)
        rest //= factor
    target.append(rest)
    if count and data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    tensor = us.from_numpy(array)
    close(tensor.reshape(target), array.reshape(target))
    close(tensor.view(target), array.reshape(target))


@given(SOLID, st.data())
def test_permute_is_undone_by_its_inverse(shape: tuple[int, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    tensor = us.from_numpy(filled(shape))
    moved = tensor.permute(order)
    close(moved, filled(shape).transpose(order))
    assert moved.permute(tuple(np.argsort(order).tolist())).stride() == tensor.stride()


@given(SOLID)
def test_softmax_sums_to_one_and_ignores_shifts(shape: tuple[int, ...]) -> None:
    tensor = us.from_numpy(np.sin(filled(shape)) * 30)
    for dim in range(-len(shape), len(shape)):
        p = us.softmax(tensor, dim)
        close(p.sum(dim), np.ones(tuple(p.sum(dim).shape)))
        close(us.softmax(tensor + 1000, dim), p.numpy(), rtol=1e-9)
