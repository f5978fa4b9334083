"""``vmap``: a function of samples becomes a function of batches, by a call per sample.

The calls see views of the batch and record themselves on the tape like any others, so that every
transformation of a function works inside of ``vmap`` and around it, and control flow may depend on the values
of a sample.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool.autograd import retained_graphs
from unspool.utils import _pytree

__all__ = ["vmap"]

Dims = int | tuple[Any, ...]


def vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that calls ``func`` for each sample of a batch and stacks what it gives.

    Args:
        func: takes tensors, also in nested tuples, lists and dicts, and gives tensors in the same way.
        in_dims: the batch dimension of the positional arguments: one number for all of them, or a tuple with
            an entry for each, in which None marks what every sample gets as it is. For an argument that is a
            nest, the entry may be a nest of the same form. Every sample gets keyword arguments as they
            are.
        out_dims: where it is in the results; a nest of numbers for a nest of results. None for a result
            that is the same for every sample, which is then given once.
        randomness: what numbers drawn from the default generator do: "error" refuses them, "same" draws the
            same for every sample, "different" draws anew.
        chunk_size: a positive number or None; without effect, as samples are computed one by one.

    Returns:
        The new function. For an empty batch it calls ``func`` once, with zeros, to learn the shapes.

    Raises:
        ValueError: from the new function: ``in_dims`` or ``out_dims`` do not fit, sizes of the batch differ,
            or ``func`` gives something that is no tensor.
        RuntimeError: from the new function: ``func`` draws random numbers in mode "error", or writes into an
            argument that all samples share.

    ``vmap(grad(loss), in_dims=(None, 0, 0))(parameters, inputs, targets)`` gives the gradients per sample.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0, got {chunk_size}")
    name = getattr(func, "__name__", type(func).__name__)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        batch = _Batch(name, in_dims, args, kwargs)
        samples = batch.samples() if batch.size else iter([batch.zeros()])
        results: list[Any] = []
        with batch.shared_arguments_stay(), _Drawing(name, randomness) as drawing:
            for positional, keywords in samples:
                drawing.before_a_sample()
                # A graph from outside, unwound for each sample, is freed by the last one.
                with retained_graphs(len(results) + 1 < batch.size):
                    results.append(func(*positional, **keywords))
        return _stacked(name, results, out_dims, batch.size)

    return wrapper


class _Batch:
    """The arguments of one call, their batch dimensions, and the size that these agree on."""

    def __init__(self, name: str, in_dims: Dims, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name = name
        self._kwargs = kwargs
        if not args:
            raise ValueError(f"vmap({name}): called without arguments; at least one must be positional")
        if not isinstance(in_dims, int | tuple):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}): expected in_dims to be an int or a tuple with an entry "
                f"for each positional argument, got {type(in_dims).__name__}"
            )
        dims = _spread(args, in_dims)
        if dims is None:
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}): in_dims is not compatible with the structure of the "
                f"{len(args)} positional arguments"
            )
        leaves, self._spec = _pytree.tree_flatten(args)
        self._leaves = [(leaf, self._checked(leaf, dim)) for leaf, dim in zip(leaves, dims, strict=True)]
        sizes = {leaf.shape[dim] for leaf, dim in self._leaves if dim is not None}
        if not sizes:
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}): at least one argument must have a batch dimension"
            )
        if len(sizes) > 1:
            shapes = [tuple(leaf.shape) for leaf, dim in self._leaves if dim is not None]
            raise ValueError(
                f"vmap({name}): Expected all tensors to have the same size in the mapped dimension, got "
                f"sizes {sorted(sizes)} for shapes {shapes}"
            )
        self.size: int = sizes.pop()

    def _checked(self, leaf: Any, dim: Any) -> int | None:
        """The dimension, counted from the front."""
        if dim is None:
            return None
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise ValueError(f"vmap({self.name}): Got in_dim={dim!r} for an input; it must be an int or None")
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"vmap({self.name}): Got in_dim={dim} for an input of type {type(leaf).__name__}, which has "
                "no dimensions; use None as its in_dim"
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(
                f"vmap({self.name}): Got in_dim={dim} for an input of shape {tuple(leaf.shape)}, which has "
                f"{leaf.ndim} dimensions"
            )
        return dim % leaf.ndim

    def _rebuilt(self, leaves: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return _pytree.tree_unflatten(leaves, self._spec), self._kwargs

    def samples(self) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        """The arguments of each call."""
        for i in range(self.size):
            yield self._rebuilt([leaf if dim is None else leaf.select(dim, i) for leaf, dim in self._leaves])

    def zeros(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments for one call, with zeros for the sample that an empty batch does not have."""
        return self._rebuilt(
            [
                leaf if dim is None else leaf.new_zeros(*leaf.shape[:dim], *leaf.shape[dim + 1 :])
                for leaf, dim in self._leaves
            ]
        )

    @contextmanager
    def shared_arguments_stay(self) -> Iterator[None]:
        """Raises RuntimeError where a call wrote into what all samples share: each saw another value."""
        given = [leaf for leaf, dim in self._leaves if dim is None] + _pytree.tree_leaves(self._kwargs)
        shared = [leaf for leaf in given if isinstance(leaf, Tensor)]
        versions = [leaf._version for leaf in shared]
        yield
        if [leaf._version for leaf in shared] != versions:
            raise RuntimeError(
                f"vmap({self.name}): the function writes in place into an argument with in_dim None, which "
                "all samples share; write into a clone() of it, or expand() it over the batch first"
            )


class _Drawing:
    """What the default generator does while the samples are computed."""

    def __init__(self, name: str, randomness: str) -> None:
        self._name, self._randomness = name, randomness

    def __enter__(self) -> _Drawing:
        if self._randomness == "same" and _core.is_capturing():
            raise unspool.CaptureError(
                f"vmap({self._name}): randomness='same' winds the generator back, which a replay cannot; "
                "draw the numbers outside and pass them with in_dim None"
            )
        if self._randomness == "same":
            self._state = unspool.get_rng_state()
        elif self._randomness == "error":
            self._start = unspool.default_generator.clone_state()
        return self

    def before_a_sample(self) -> None:
        if self._randomness == "same":
            unspool.set_rng_state(self._state)

    def __exit__(self, kind: Any, *_: Any) -> None:
        if (
            kind is None
            and self._randomness == "error"
            and not self._start._has_state_of(unspool.default_generator.clone_state())
        ):
            raise RuntimeError(
                f"vmap({self._name}): the function draws random numbers; say with randomness='different' or "
                "randomness='same' whether each sample gets its own"
            )


def _spread(tree: Any, dims: Any) -> list[Any] | None:
    """One entry for each leaf of ``tree``; those of ``dims`` may stand for whole branches. None: no fit."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(_pytree.tree_leaves(tree))
    if isinstance(dims, dict):
        if not isinstance(tree, dict) or tree.keys() != dims.keys():
            return None
        pairs = [(tree[key], dims[key]) for key in tree]
    elif isinstance(dims, list | tuple):
        if not isinstance(tree, list | tuple) or len(tree) != len(dims):
            return None
        pairs = list(zip(tree, dims, strict=True))
    else:
        return None
    found: list[Any] = []
    for branch, entry in pairs:
        part = _spread(branch, entry)
        if part is None:
            return None
        found += part
    return found


def _stacked(name: str, results: list[Any], out_dims: Any, size: int) -> Any:
    """The results of the samples as one nest of tensors."""
    rows = []
    for result in results:
        leaves, spec = _pytree.tree_flatten(result)
        for leaf in leaves:
            if not isinstance(leaf, Tensor):
                raise ValueError(
                    f"vmap({name}): the function must only return Tensors, got type {type(leaf).__name__}"
                )
        rows.append(leaves)
    dims = _spread(results[-1], out_dims)
    if isinstance(results[-1], Tensor) and isinstance(out_dims, list | tuple) and len(out_dims) == 1:
        dims = list(out_dims)
    if dims is None:
        raise ValueError(
            f"vmap({name}, out_dims={out_dims}): out_dims is not compatible with the structure of the results"
        )
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError(f"vmap({name}): the function gives another number of tensors for some samples")
    columns = zip(*rows, strict=True)
    return _pytree.tree_unflatten(
        [_joined(name, column, dim, size) for column, dim in zip(columns, dims, strict=True)], spec
    )


def _joined(name: str, column: tuple[Tensor, ...], dim: Any, size: int) -> Tensor:
    first = column[0]
    if dim is None:
        if not all(unspool.equal(first, other) for other in column[1:]):
            raise ValueError(
                f"vmap({name}): a result with out_dim None differs between samples; give it an out_dim"
            )
        return first
    if isinstance(dim, bool) or not isinstance(dim, int) or not -first.ndim - 1 <= dim <= first.ndim:
        raise ValueError(
            f"vmap({name}): got out_dim={dim!r} for a result of shape {tuple(first.shape)}; expected "
            f"{-first.ndim - 1} <= out_dim <= {first.ndim}"
        )
    if size == 0:
        place = dim % (first.ndim + 1)
        return first.new_zeros(*first.shape[:place], 0, *first.shape[place:])
    if any(other.shape != first.shape for other in column):
        shapes = sorted({tuple(other.shape) for other in column})
        raise ValueError(
            f"vmap({name}): the function gives tensors of different shapes {shapes}, which cannot be stacked"
        )
    return unspool.stack(column, dim)
