"""Running results of an operation that is associative, along a dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool._core import Tensor, ops
from unspool.utils._pytree import tree_flatten, tree_unflatten

Columns = list[Tensor]


def _part(columns: Columns, dim: int, start: int, stop: int, step: int = 1) -> Columns:
    inside = (slice(None),) * dim
    return [each[(*inside, slice(start, stop, step))] for each in columns]


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """Combine each element with all that come before it: cumsum, for any operation that is associative.

    About 2 log2(n) calls of the operation, each for many elements at a time.

    Args:
        combine_fn: of two trees like ``xs``; it works on each place along ``dim`` alone.
        xs: a tensor, or a tree of tensors of one size along ``dim``.
        dim: the dimension.
        reverse: whether to begin at the end.
        combine_mode: "pointwise" or "generic"; has no effect.

    Returns:
        A tree like ``xs``, of the same shapes.

    Raises:
        ValueError: no tensors, or sizes along ``dim`` that differ.
    """
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(
            f"associative_scan: combine_mode must be 'pointwise' or 'generic', got {combine_mode!r}"
        )
    columns, spec = tree_flatten(xs)
    if not columns or not all(isinstance(each, Tensor) for each in columns):
        raise ValueError("associative_scan: xs must be a tensor or a tree of tensors")
    dim %= columns[0].ndim
    if len({each.shape[dim] for each in columns}) > 1:
        raise ValueError(f"associative_scan: the tensors must have one size along dimension {dim}")

    def combine(left: Columns, right: Columns) -> Columns:
        together = combine_fn(tree_unflatten(left, spec), tree_unflatten(right, spec))
        return tree_flatten(together)[0]

    if reverse:
        columns = [each.flip(dim) for each in columns]
    columns = _scan(combine, columns, dim)
    if reverse:
        columns = [each.flip(dim) for each in columns]
    return tree_unflatten(columns, spec)


def _scan(combine: Callable[[Columns, Columns], Columns], columns: Columns, dim: int) -> Columns:
    """Scan pairs of neighbours first: they give every second result, and the others are one step from it."""
    size = columns[0].shape[dim]
    if size < 2:
        return columns
    even = size - size % 2
    pairs = combine(_part(columns, dim, 0, even, 2), _part(columns, dim, 1, even, 2))
    odd_places = _scan(combine, pairs, dim)
    first = _part(columns, dim, 0, 1)
    if size == 2:
        return [ops.cat(list(two), dim) for two in zip(first, odd_places, strict=True)]
    before = _part(odd_places, dim, 0, (size - 1) // 2)
    even_places = combine(before, _part(columns, dim, 2, size, 2))
    return [
        _alternate(ops.cat([start, rest], dim), odd, dim)
        for start, rest, odd in zip(first, even_places, odd_places, strict=True)
    ]


def _alternate(evens: Tensor, odds: Tensor, dim: int) -> Tensor:
    """Put the elements of both in turns along a dimension; there may be one more of the first."""
    number = odds.shape[dim]
    inside = (slice(None),) * dim
    paired = ops.stack([evens[(*inside, slice(0, number))], odds], dim + 1).flatten(dim, dim + 1)
    return (
        ops.cat([paired, evens[(*inside, slice(number, None))]], dim) if evens.shape[dim] > number else paired
    )
