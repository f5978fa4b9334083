"""Pooling functions: what is added to the operations are optional indices, ``None`` sizes and random windows.

Inputs are (N, C, ...) or (C, ...) with one to three dimensions behind the channels.
"""

# ruff: noqa: D417 (arguments that all functions of a kind share are described with the first)

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import unspool
from unspool import _core
from unspool._arguments import require_tensors
from unspool._core import Tensor
from unspool.nn._functional.common import ops

Ints = int | Sequence[int]


def _sized(name: str, input: Tensor, output_size: Any, ndim: int) -> Any:
    """``output_size`` with every None replaced by the input's own size."""
    require_tensors(name, input=input)
    if isinstance(output_size, Sequence) and input.ndim <= len(output_size):
        raise ValueError(
            f"{name}: input must have at least {len(output_size) + 1} dimensions for output_size"
            f" {tuple(output_size)}, got {tuple(input.shape)}"
        )
    if not isinstance(output_size, Iterable) or None not in (output_size := tuple(output_size)):
        return output_size
    if len(output_size) != ndim or input.ndim < ndim:
        raise RuntimeError(f"{name}: output_size {output_size} does not fit input {tuple(input.shape)}")
    own = input.shape[-ndim:]
    return tuple(mine if size is None else size for size, mine in zip(output_size, own, strict=True))


def _with_indices(pool: Callable[..., Any]) -> Callable[..., Any]:
    """What PyTorch also names ``POOL_with_indices``: ``pool``, always with the positions of the maxima."""
    signature, name = inspect.signature(pool), f"{pool.__name__}_with_indices"

    @functools.wraps(pool)
    def with_indices(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        return pool(**{**given, "return_indices": True})

    with_indices.__name__ = with_indices.__qualname__ = name
    with_indices.__doc__ = f"``{pool.__name__}`` and the positions of the maxima."
    return with_indices


def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima over windows that slide over the last dimension.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size: of the window.
        stride: of the window; ``kernel_size`` when None.
        padding: how far windows reach beyond the edges, where nothing counts; at most half of the window.
        dilation: distance between the elements of a window.
        ceil_mode: also take windows that reach beyond the padded right edge.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).

    Raises:
        RuntimeError: arguments that do not fit the input or each other.
    """
    if return_indices:
        return ops.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return ops.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


max_pool1d_with_indices = _with_indices(max_pool1d)


def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima over windows that slide over the last 2 dimensions; arguments as ``max_pool1d``."""
    if return_indices:
        return ops.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return ops.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


max_pool2d_with_indices = _with_indices(max_pool2d)


def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima over windows that slide over the last 3 dimensions; arguments as ``max_pool1d``."""
    if return_indices:
        return ops.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return ops.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


max_pool3d_with_indices = _with_indices(max_pool3d)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that divide the last 2 dimensions into ``output_size`` parts.

    Args:
        input: (N, C, ...) or (C, ...).
        output_size: one number or 2; None keeps a size.
    """
    return ops.adaptive_avg_pool2d(input, _sized("adaptive_avg_pool2d", input, output_size, 2))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that divide the last 3 dimensions into ``output_size`` parts.

    Args:
        input: (N, C, ...) or (C, ...).
        output_size: one number or 3; None keeps a size.
    """
    return ops.adaptive_avg_pool3d(input, _sized("adaptive_avg_pool3d", input, output_size, 3))


def _adaptive_max(ndim: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    with_indices = f"adaptive_max_pool{ndim}d_with_indices"
    name = with_indices if return_indices else f"adaptive_max_pool{ndim}d"
    result = getattr(ops, with_indices)(input, _sized(name, input, output_size, ndim))
    return result if return_indices else result[0]


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows that divide the last dimension into ``output_size`` parts.

    Args:
        input: (N, C, ...) or (C, ...).
        output_size: one number; None keeps a size.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).
    """
    return _adaptive_max(1, input, output_size, return_indices)


adaptive_max_pool1d_with_indices = _with_indices(adaptive_max_pool1d)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows that divide the last 2 dimensions into ``output_size`` parts.

    Args:
        input: (N, C, ...) or (C, ...).
        output_size: one number or 2; None keeps a size.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).
    """
    return _adaptive_max(2, input, output_size, return_indices)


adaptive_max_pool2d_with_indices = _with_indices(adaptive_max_pool2d)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows that divide the last 3 dimensions into ``output_size`` parts.

    Args:
        input: (N, C, ...) or (C, ...).
        output_size: one number or 3; None keeps a size.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).
    """
    return _adaptive_max(3, input, output_size, return_indices)


adaptive_max_pool3d_with_indices = _with_indices(adaptive_max_pool3d)


def _fractional(
    ndim: int, input: Tensor, kernel_size: Ints, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> Any:
    name = f"fractional_max_pool{ndim}d"
    require_tensors(name, input=input)
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"{name}: expected a {ndim + 1}-d or {ndim + 2}-d input, got shape {tuple(input.shape)}"
        )
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name}: requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, Sequence) else (output_ratio,) * ndim
        if len(ratios) != ndim:
            raise ValueError(f"{name}: requires output_ratio to be one number or {ndim}, got {output_ratio}")
        output_size = [int(size * ratio) for size, ratio in zip(input.shape[-ndim:], ratios, strict=True)]
    if samples is None:
        batch = 1 if input.ndim == ndim + 1 else input.shape[0]
        samples = unspool.rand(batch, input.shape[-ndim - 1], ndim, dtype=input.dtype, device=input.device)
    elif input.ndim == ndim + 1:
        samples = samples[:1]  # places for more pictures than there are may be given
    else:
        samples = samples[: input.shape[0]]
    return getattr(ops, name)(input, kernel_size, output_size, samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima over windows at pseudo-random places (Graham 2014).

    Args:
        input: (N, C, ...) or (C, ...), 2 dimensions behind the channels.
        kernel_size: of the windows.
        output_size: how many windows in each dimension.
        output_ratio: the same as a fraction of the input's size, between 0 and 1; one of the two is needed.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).

    Raises:
        ValueError: neither size nor ratio is given.
    """
    result = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


fractional_max_pool2d_with_indices = _with_indices(fractional_max_pool2d)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima over windows at pseudo-random places (Graham 2014).

    Args:
        input: (N, C, ...) or (C, ...), 3 dimensions behind the channels.
        kernel_size: of the windows.
        output_size: how many windows in each dimension.
        output_ratio: the same as a fraction of the input's size, between 0 and 1; one of the two is needed.
        return_indices: give a pair: the maxima, and their positions in their planes (int64).

    Raises:
        ValueError: neither size nor ratio is given.
    """
    result = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


fractional_max_pool3d_with_indices = _with_indices(fractional_max_pool3d)


def _each(value: Any, ndim: int) -> list[int]:
    return [int(v) for v in value] if isinstance(value, Iterable) else [int(value)] * ndim


def _put_back(name: str, input: Tensor, indices: Tensor, sizes: list[int]) -> Tensor:
    try:
        return _core.hidden.max_unpool(input, indices, sizes)
    except RuntimeError as error:
        raise RuntimeError(str(error).replace("max_unpool", name, 1)) from None


def _unpool(
    ndim: int, input: Tensor, indices: Tensor, kernel_size: Ints, stride: Any, padding: Ints, size: Any
) -> Tensor:
    name = f"max_unpool{ndim}d"
    require_tensors(name, input=input, indices=indices)
    if indices.dtype != _core.int64:
        raise RuntimeError(f"{name}: indices must be int64, got {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"{name}: indices {tuple(indices.shape)} must have the shape of input {tuple(input.shape)}"
        )
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"{name}: input must have {ndim + 1} or {ndim + 2} dimensions, got {tuple(input.shape)}"
        )
    kernel, pads = _each(kernel_size, ndim), _each(padding, ndim)
    steps = kernel if stride is None or stride == [] else _each(stride, ndim)
    own = input.shape[-ndim:]
    usual = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(own, steps, kernel, pads, strict=True)]
    if size is None:
        return _put_back(name, input, indices, usual)
    wanted = list(size)
    if len(wanted) == input.ndim:
        wanted = wanted[-ndim:]
    if len(wanted) != ndim:
        raise ValueError(
            f"{name}: output_size should be a sequence containing {ndim} or {input.ndim} elements,"
            f" but it has a length of '{len(wanted)}'"
        )
    for got, expected, step in zip(wanted, usual, steps, strict=True):
        if not expected - step < got < expected + step:
            raise ValueError(
                f"{name}: invalid output_size {wanted}: each size must lie within one stride of {usual}"
            )
    return _put_back(name, input, indices, wanted)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Puts maxima back to the positions that ``max_pool1d`` gave, with zeros elsewhere.

    Args:
        input: (N, C, ...) or (C, ...), 1 dimension behind the channels.
        indices: positions in the planes of the result, int64, the shape of ``input``.
        kernel_size, stride, padding: of the pooling that is undone.
        output_size: of the result, where several sizes pool to the same one; with or without N and C.

    Raises:
        ValueError: ``output_size`` that pooling would not have given.
        RuntimeError: indices of another shape or dtype, or outside of the result.
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Puts maxima back to the positions that ``max_pool2d`` gave, with zeros elsewhere.

    Args:
        input: (N, C, ...) or (C, ...), 2 dimensions behind the channels.
        indices: positions in the planes of the result, int64, the shape of ``input``.
        kernel_size, stride, padding: of the pooling that is undone.
        output_size: of the result, where several sizes pool to the same one; with or without N and C.

    Raises:
        ValueError: ``output_size`` that pooling would not have given.
        RuntimeError: indices of another shape or dtype, or outside of the result.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Puts maxima back to the positions that ``max_pool3d`` gave, with zeros elsewhere.

    Args:
        input: (N, C, ...) or (C, ...), 3 dimensions behind the channels.
        indices: positions in the planes of the result, int64, the shape of ``input``.
        kernel_size, stride, padding: of the pooling that is undone.
        output_size: of the result, where several sizes pool to the same one; with or without N and C.

    Raises:
        ValueError: ``output_size`` that pooling would not have given.
        RuntimeError: indices of another shape or dtype, or outside of the result.
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
