"""Functions of tensors that need Python: comparisons to one bool, shapes, and sums over named dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor, require_tensor_like
from unspool._core import Generator, Size, Tensor, ops
from unspool._functions.out import into, with_out
from unspool._functions.undifferentiable import with_zero_derivative


def is_tensor(obj: object) -> TypeGuard[Tensor]:
    """Whether the object is a Tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """Give the number of elements."""
    return int(require_tensor_like("input", input, "numel").numel())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and equal elements."""
    if not (type(input) is Tensor and type(other) is Tensor):
        for name, each in (("input", input), ("other", other)):
            require_tensor_like(name, each, "equal")
    return input.shape == other.shape and bool(ops.all(ops.eq(input, other)))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements agree: ``|input - other| <= atol + rtol * |other|``, with broadcasting."""
    return bool(ops.all(ops.isclose(input, other, rtol, atol, equal_nan)))


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Tensor | tuple[Tensor, ...]:
    """Give the places of the nonzero elements, in row-major order, as int64.

    Returns:
        A matrix with one row per element and one column per dimension; with ``as_tuple`` one tensor per
        dimension, by which the input can be indexed.

    Raises:
        TypeError: ``as_tuple`` together with ``out``, a tensor for the matrix.
    """
    if not as_tuple:
        return into(out, ops.argwhere(input), "nonzero")  # type: ignore[no-any-return]
    if out is not None:
        raise TypeError("nonzero(): out= takes the matrix of places, so as_tuple must be False")
    return tuple(ops.where(input))


def broadcast_shapes(*shapes: int | Sequence[int]) -> Size:
    """Give the shape that tensors of the given shapes broadcast to; RuntimeError when they do not fit."""
    tuples = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    try:
        return Size(np.broadcast_shapes(*tuples))
    except ValueError:
        listed = ", ".join(map(str, tuples))
        raise RuntimeError(f"broadcast_shapes: shapes do not broadcast: {listed}") from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Expand tensors, without copying, to the shape they broadcast to."""
    shape = broadcast_shapes(
        *(require_tensor("tensors", each, "broadcast_tensors").shape for each in tensors)
    )
    return tuple(each.expand(shape) for each in tensors)


def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str = "ij") -> tuple[Tensor, ...]:
    """Give coordinate grids of 0-d or 1-d tensors; indexing 'xy' swaps the first two dimensions."""
    axes: list[Tensor] = []
    for each in tensors:
        axes.extend(each if isinstance(each, Sequence) else [each])
    for axis in axes:
        require_tensor("tensors", axis, "meshgrid")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    if any(axis.ndim > 1 for axis in axes):
        raise RuntimeError(f"meshgrid: expects 0-d or 1-d tensors, got {[tuple(a.shape) for a in axes]}")
    axes = [axis.reshape(-1) for axis in axes]
    swapped = indexing == "xy" and len(axes) > 1
    if swapped:
        axes[0], axes[1] = axes[1], axes[0]
    shape = [axis.numel() for axis in axes]
    grids = [
        axis.reshape([-1 if i == place else 1 for i in range(len(axes))]).expand(shape)
        for place, axis in enumerate(axes)
    ]
    if swapped:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@with_out
def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] | Tensor = 2) -> Tensor:
    """Sum products of a and b over pairs of dimensions.

    With an integer n: the last n of a against the first n of b; otherwise ``dims`` lists both's
    dimensions.
    """
    for name, value in (("a", a), ("b", b)):
        if not isinstance(value, Tensor):
            raise TypeError(f"tensordot(): argument {name!r} must be Tensor, not {type(value).__name__}")
    pairs: Any = dims.tolist() if isinstance(dims, Tensor) else dims
    if isinstance(pairs, int):
        if pairs < 0 or pairs > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: dims={pairs} for shapes {tuple(a.shape)} and {tuple(b.shape)}")
        left, right = list(range(a.ndim - pairs, a.ndim)), list(range(pairs))
    else:
        left, right = ([each] if isinstance(each, int) else list(each) for each in pairs)
        left, right = [d % a.ndim for d in left], [d % b.ndim for d in right]
    if len(left) != len(right):
        raise RuntimeError(f"tensordot: dims name {len(left)} dimensions of a but {len(right)} of b")
    sizes_a, sizes_b = tuple(a.shape), tuple(b.shape)
    for d, e in zip(left, right, strict=True):
        if sizes_a[d] != sizes_b[e] and 1 not in (sizes_a[d], sizes_b[e]):
            raise RuntimeError(f"tensordot: dim {d} of a {sizes_a} and dim {e} of b {sizes_b} differ in size")
    # A dimension of size 1 is contracted with the sum over the other's.
    short_a = [d for d, e in zip(left, right, strict=True) if sizes_a[d] < sizes_b[e]]
    short_b = [e for d, e in zip(left, right, strict=True) if sizes_b[e] < sizes_a[d]]
    if short_a:
        dims_b = [e for d, e in zip(left, right, strict=True) if d in short_a]
        b = b.sum(dims_b, keepdim=True, dtype=b.dtype)
    if short_b:
        dims_a = [d for d, e in zip(left, right, strict=True) if e in short_b]
        a = a.sum(dims_a, keepdim=True, dtype=a.dtype)
    free_a = [d for d in range(a.ndim) if d not in left]
    free_b = [d for d in range(b.ndim) if d not in right]
    free_sizes_a, free_sizes_b = [sizes_a[d] for d in free_a], [sizes_b[d] for d in free_b]
    inner = math.prod(a.shape[d] for d in left) if short_b else math.prod([sizes_a[d] for d in left])
    rows, columns = math.prod(free_sizes_a), math.prod(free_sizes_b)
    product = ops.mm(
        a.permute([*free_a, *left]).reshape(rows, inner), b.permute([*right, *free_b]).reshape(inner, columns)
    )
    return product.reshape(free_sizes_a + free_sizes_b)


def _draw(
    sizes: Sequence[int], mean: Tensor | float, std: Tensor | float, dtype: Any, generator: Generator | None
) -> Tensor:
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        return _core.empty(tuple(sizes), dtype=dtype).normal_(float(mean), float(std), generator=generator)
    for name, each in (("mean", mean), ("std", std)):
        if isinstance(each, Tensor) and not each.is_floating_point():
            raise NotImplementedError(
                f"normal: {name} must be floating, got {each.dtype}; convert it with .float()"
            )
    if isinstance(std, Tensor) and bool(ops.any(ops.lt(std, 0))):
        raise RuntimeError("normal: std must not be negative, but some of its elements are")
    if not isinstance(std, Tensor):
        return ops.add(_core.empty(sizes, dtype=dtype).normal_(0.0, float(std), generator=generator), mean)
    draws = _core.empty(tuple(sizes), dtype=dtype).normal_(generator=generator)
    return ops.add(ops.mul(draws, std), mean).to(dtype)


def normal(
    mean: Tensor | float,
    std: Tensor | float = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Draw normal numbers with a mean and a standard deviation per element, or of one size for numbers.

    Args:
        mean: a number, or a tensor with one for each element.
        std: the same; both broadcast.
        size: of the result, for two numbers; what follows ``out`` goes with it.
        generator: what to draw from, instead of the default generator.
        out: where to write.
        dtype: of the result.
        layout: accepted for PyTorch's sake; there is one.
        device: of the result.
        pin_memory: accepted for PyTorch's sake.
        requires_grad: whether gradients of the result are wanted.
    """
    del layout, pin_memory
    tensors = [each for each in (mean, std) if isinstance(each, Tensor)]
    if tensors and (size is not None or dtype is not None or device is not None or requires_grad):
        raise TypeError(
            "normal(): size, dtype, device and requires_grad are given by the tensors mean and std"
        )
    if not tensors and size is None:
        raise TypeError("normal(): numbers for mean and std need a size")
    shape = broadcast_shapes(*(each.shape for each in tensors)) if tensors else size
    assert shape is not None
    kind = tensors[0].dtype if tensors else dtype or (_core.get_default_dtype() if out is None else out.dtype)
    if device is not None:
        _core.device(device)
    mean, std = (each.detach() if isinstance(each, Tensor) else each for each in (mean, std))
    result = _draw(shape, mean, std, kind, generator)
    if out is None:
        return with_zero_derivative(result, *tensors) if tensors else result.requires_grad_(requires_grad)
    return _core.full(result.shape, 0, out=out).copy_(result)


__all__ = [
    "allclose",
    "broadcast_shapes",
    "broadcast_tensors",
    "equal",
    "is_tensor",
    "meshgrid",
    "nonzero",
    "normal",
    "numel",
    "tensordot",
]
