"""Functions that PyTorch shows at its top level besides their place in ``nn.functional`` or on Tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, ops
from unspool._functions.out import with_out
from unspool._tensor import shaping

__all__ = [
    "addmv_",
    "alias_copy",
    "as_strided_",
    "as_strided_copy",
    "bilinear",
    "celu_",
    "deg2rad_",
    "detach",
    "detach_",
    "detach_copy",
    "diagonal_copy",
    "embedding_bag",
    "empty_permuted",
    "empty_strided",
    "expand_copy",
    "fill_",
    "frobenius_norm",
    "from_file",
    "frombuffer",
    "get_device",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "i0_",
    "is_same_size",
    "is_signed",
    "ldexp_",
    "narrow_copy",
    "native_batch_norm",
    "native_group_norm",
    "native_layer_norm",
    "negative_",
    "nonzero_static",
    "nuclear_norm",
    "pairwise_distance",
    "pdist",
    "permute_copy",
    "rad2deg_",
    "resize_as_",
    "rrelu",
    "select_copy",
    "selu_",
    "sinc_",
    "slice_copy",
    "split_copy",
    "split_with_sizes_copy",
    "squeeze_copy",
    "t_copy",
    "transpose_copy",
    "unbind_copy",
    "unfold_copy",
    "unravel_index",
    "unsafe_chunk",
    "unsafe_split",
    "unsqueeze_copy",
    "view_copy",
    "zero_",
]


# Functions of nn.functional, found when they are called --------------------


def _functional(name: str) -> Callable[..., Tensor]:
    def function(*args: Any, **kwargs: Any) -> Tensor:
        from unspool.nn import functional

        result: Tensor = getattr(functional, name)(*args, **kwargs)
        return result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The same as ``nn.functional.{name}``."
    return function


bilinear = _functional("bilinear")
embedding_bag = _functional("embedding_bag")
pairwise_distance = _functional("pairwise_distance")
pdist = _functional("pdist")
rrelu = _functional("rrelu")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``nn.functional.grid_sample`` with modes by number.

    Args:
        input: see there, as for ``grid`` and ``align_corners``.
        grid: the places.
        interpolation_mode: 0 is "bilinear", 1 "nearest", 2 "bicubic".
        padding_mode: 0 is "zeros", 1 "border", 2 "reflection".
        align_corners: which points of the corner elements -1 and 1 mean.
    """
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    for name, number in (("interpolation_mode", interpolation_mode), ("padding_mode", padding_mode)):
        if number not in (0, 1, 2):
            raise RuntimeError(f"grid_sampler: {name} must be 0, 1 or 2, got {number}")
    sample = _functional("grid_sample")
    return sample(input, grid, modes[interpolation_mode], paddings[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.layer_norm``, and the means and reciprocal deviations it divided by.

    The latter have the input's shape, with size 1 in the normalized dimensions, and no derivative.
    """
    out = _functional("layer_norm")(input, normalized_shape, weight, bias, eps)
    dims = list(range(input.ndim - len(normalized_shape), input.ndim))
    variance, mean = ops.var_mean(input.detach(), dims, False, True)
    return out, mean, ops.rsqrt(variance + eps)


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.group_norm`` of N samples of C channels of HxW elements.

    With it come the means and reciprocal deviations it divided by, of shape (N, group).
    """
    require_tensor("input", input, "native_group_norm")
    if input.numel() != N * C * HxW:
        raise RuntimeError(
            f"native_group_norm: input {tuple(input.shape)} has not {N} x {C} x {HxW} elements"
        )
    out = _functional("group_norm")(input, group, weight, bias, eps)
    variance, mean = ops.var_mean(input.reshape(N, group, C // group * HxW), -1, False)
    return out, mean, ops.rsqrt(variance + eps)


@with_out
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.batch_norm``, and the channels' means and reciprocal deviations it divided by.

    These have no derivative, and are empty without ``training``, when the running ones are used.
    """
    batch_norm = _functional("batch_norm")
    out = batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return out, input.new_empty(0), input.new_empty(0)
    variance, mean = ops.var_mean(input.detach(), [d for d in range(input.ndim) if d != 1], False)
    return out, mean, ops.rsqrt(variance + eps)


# Methods as functions --------------------


def _method(name: str, alias: str | None = None) -> Callable[..., Any]:
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return getattr(require_tensor("input", input, name), name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = alias or name
    function.__doc__ = f"The same as ``input.{name}(...)``."
    return function


addmv_ = _method("addmv_")
as_strided_ = _method("as_strided_")
deg2rad_ = _method("deg2rad_")
detach = _method("detach")
detach_ = _method("detach_")
fill_ = _method("fill_")
i0_ = _method("i0_")
is_same_size = _method("is_same_size")
ldexp_ = _method("ldexp_")
negative_ = _method("neg_", "negative_")
rad2deg_ = _method("rad2deg_")
resize_as_ = shaping.resize_as_
sinc_ = _method("sinc_")
zero_ = _method("zero_")


def _copy(view: str) -> Callable[..., Tensor]:
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        shown: Tensor = getattr(require_tensor("input", input, f"{view}_copy"), view)(*args, **kwargs)
        return shown.clone()

    function.__name__ = function.__qualname__ = f"{view}_copy"
    function.__doc__ = f"A copy of what ``input.{view}(...)`` shows."
    return with_out(function)


as_strided_copy = _copy("as_strided")
detach_copy = _copy("detach")
diagonal_copy = _copy("diagonal")
expand_copy = _copy("expand")
permute_copy = _copy("permute")
select_copy = _copy("select")
squeeze_copy = _copy("squeeze")
t_copy = _copy("t")
transpose_copy = _copy("transpose")
unfold_copy = _copy("unfold")
unsqueeze_copy = _copy("unsqueeze")


@with_out
def view_copy(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """A copy of what ``input.view(...)`` shows, or would show if the elements lay one after another."""
    return require_tensor("input", input, "view_copy").clone().view(*args, **kwargs)


@with_out
def alias_copy(input: Tensor) -> Tensor:
    """A copy of the tensor."""
    return require_tensor("input", input, "alias_copy").clone()


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``nn.functional.celu`` in place."""
    require_tensor("input", input, "celu_")
    return _functional("celu")(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """``nn.functional.selu`` in place."""
    require_tensor("input", input, "selu_")
    return _functional("selu")(input, inplace=True)


# Questions --------------------


def get_device(input: Tensor) -> int:
    """Give the number of the tensor's device: -1 for the CPU."""
    require_tensor("input", input, "get_device")
    return -1


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return require_tensor("input", input, "is_signed").dtype not in (_core.uint8, _core.bool)


# Pieces --------------------


@with_out
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Copy ``length`` slices of a dimension, from ``start`` on."""
    return ops.narrow(input, dim, start, length).clone()


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """The same as ``chunk``."""
    return tuple(ops.chunk(input, chunks, dim))


def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """The same as ``split``."""
    require_tensor("input", input, "unsafe_split")
    return tuple(input.split(split_size, dim))


@with_out
def split_with_sizes_copy(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of the pieces that ``split_with_sizes`` shows."""
    require_tensor("input", input, "split_with_sizes_copy")
    return tuple(piece.clone() for piece in input.split_with_sizes(list(split_sizes), dim))


def split_copy(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of the pieces that ``split`` shows."""
    require_tensor("input", input, "split_copy")
    return tuple(piece.clone() for piece in input.split(split_size, dim))


@with_out
def unbind_copy(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of the slices that ``unbind`` shows."""
    require_tensor("input", input, "unbind_copy")
    return tuple(piece.clone() for piece in input.unbind(dim))


def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of ``input[start:end:step]`` along ``dim``."""
    require_tensor("input", input, "slice_copy")
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"slice_copy: dim {dim} is out of range for {input.ndim} dimensions")
    if step <= 0:
        raise RuntimeError(f"slice_copy: step must be positive, got {step}")
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)].clone()


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Turn places in a flattened tensor into its coordinates.

    Args:
        indices: int64 or other integers, any shape, each in [0, product of the shape).
        shape: of the tensor.

    Returns:
        one int64 tensor of coordinates for each dimension, with the shape of ``indices``.

    Raises:
        ValueError: the indices are no integers, a size is negative, or an index lies outside.
    """
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if require_tensor("indices", indices, "unravel_index").is_floating_point() or indices.dtype == _core.bool:
        raise ValueError(f"unravel_index: indices must be integers, got {indices.dtype}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"unravel_index: sizes must not be negative, got {tuple(sizes)}")
    if indices.numel():
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= math.prod(sizes):
            raise ValueError(f"unravel_index: indices from {low} to {high} do not fit shape {tuple(sizes)}")
    coordinates, indices = [], indices.long()
    for d, size in enumerate(sizes):
        step = math.prod(sizes[d + 1 :])
        place = ops.div(indices, max(step, 1), rounding_mode="floor")
        coordinates.append(ops.remainder(place, max(size, 1)))
    return tuple(coordinates)


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """Give the places of the nonzero elements as exactly ``size`` rows: the first ones, or filled up."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: size must not be negative, got {size}")
    found = ops.argwhere(require_tensor("input", input, "nonzero_static"))[:size]
    filled = _core.full([size - found.shape[0], input.ndim], fill_value, dtype=_core.int64)
    return ops.cat([found, filled])


# Norms --------------------


def frobenius_norm(input: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """Give the square root of the sum of squares, over all or the named dimensions."""
    require_tensor("input", input, "frobenius_norm")
    from unspool import linalg

    dims = [dim] if isinstance(dim, int) else list(dim)
    result: Tensor = linalg.vector_norm(input, 2, dims or None, keepdim)
    return result


def nuclear_norm(input: Tensor, dim: Sequence[int] = (-2, -1), keepdim: bool = False) -> Tensor:
    """Give the sum of a matrix' singular values."""
    require_tensor("input", input, "nuclear_norm")
    from unspool import linalg

    result: Tensor = linalg.matrix_norm(input, "nuc", tuple(dim), keepdim)
    return result


# Memory --------------------


def empty_strided(size: Sequence[int], stride: Sequence[int], *, dtype: Any = None, **options: Any) -> Tensor:
    """Make an uninitialised tensor whose neighbours lie ``stride`` elements apart in each dimension."""
    requires_grad = bool(options.pop("requires_grad", False))
    if len(size) != len(stride):
        raise RuntimeError(f"empty_strided: {len(size)} sizes but {len(stride)} strides")
    if any(each < 0 for each in [*size, *stride]):
        raise RuntimeError(
            f"empty_strided: sizes {tuple(size)} and strides {tuple(stride)} must not be negative"
        )
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if math.prod(size) else -1
    memory = _core.empty(last + 1, dtype=dtype, device=options.get("device"))
    return ops.as_strided(memory, list(size), list(stride)).requires_grad_(requires_grad)


def empty_permuted(size: Sequence[int], physical_layout: Sequence[int], **options: Any) -> Tensor:
    """Make an uninitialised tensor whose dimensions lie in memory in the order ``physical_layout``."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(f"empty_permuted: {tuple(physical_layout)} is no order of {len(size)} dimensions")
    stride = [0] * len(size)
    step = 1
    for d in reversed(physical_layout):
        stride[d] = step
        step *= max(size[d], 1)
    return empty_strided(size, stride, **options)


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """Make a 1-d tensor over the bytes of an object with the buffer protocol, sharing its memory.

    Args:
        buffer: bytes, bytearray, array, memoryview, ... A read-only one is copied.
        dtype: of the elements.
        count: their number; -1 for all that follow.
        offset: bytes to skip.
        requires_grad: whether gradients flow to the tensor.

    Raises:
        ValueError: the buffer is empty, or too short for the offset and count.
    """
    view = memoryview(buffer).cast("B")
    width = _core.empty(0, dtype=dtype).itemsize
    if not view.nbytes or offset < 0 or offset >= view.nbytes:
        raise ValueError(f"frombuffer: offset {offset} lies outside of a buffer of {view.nbytes} bytes")
    if count < 0 and (view.nbytes - offset) % width:
        raise ValueError(f"frombuffer: {view.nbytes - offset} bytes are no whole number of {dtype}")
    number = (view.nbytes - offset) // width if count < 0 else count
    if count == 0 or number * width > view.nbytes - offset:
        raise ValueError(
            f"frombuffer: {count} elements of {dtype} need not 0 and at most {view.nbytes - offset} bytes"
        )
    name = "int16" if dtype in (_core.bfloat16,) else dtype.__name__
    array = np.frombuffer(view, dtype=name, count=number, offset=offset)
    shared = _core.from_numpy(array if array.flags.writeable else array.copy())
    return (shared.view(dtype) if dtype == _core.bfloat16 else shared).requires_grad_(requires_grad)


def from_file(
    filename: str, shared: bool | None = None, size: int = 0, *, dtype: Any = None, **options: Any
) -> Tensor:
    """Make a 1-d tensor of the first ``size`` elements in a file.

    Args:
        filename: of raw numbers in the machine's byte order; made, or made longer, if shared.
        shared: True to map the file, so that changes are written to it; otherwise changes stay in memory.
        size: number of elements.
        dtype: of the elements; the default dtype if None.
        **options: ``requires_grad``.
    """
    import mmap  # these two would take a tenth of the time that importing unspool takes
    from pathlib import Path

    kind = dtype or _core.get_default_dtype()
    length = size * _core.empty(0, dtype=kind).itemsize
    if length == 0:
        return _core.empty(0, dtype=kind)
    if shared:
        Path(filename).touch()
    with Path(filename).open("r+b" if shared else "rb") as file:
        if shared and file.seek(0, 2) < length:
            file.truncate(length)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        mapped = mmap.mmap(file.fileno(), length, access=access)
    return frombuffer(mapped, dtype=kind, requires_grad=bool(options.get("requires_grad", False)))


METHODS = ["get_device", "is_signed", "narrow_copy", "nonzero_static", "unsafe_chunk", "unsafe_split"]


def _assert(condition: Any, message: str) -> None:
    """Raise an AssertionError with the message unless the condition holds."""
    assert condition, message
