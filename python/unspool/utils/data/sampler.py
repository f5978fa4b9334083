"""Samplers: in which order the samples of a data set are visited, and how they are grouped into batches.

The random ones draw from the generators in the same way as PyTorch's, so a seed gives the same batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import unspool
from unspool import _core
from unspool._core import Generator

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)

# How many indices are drawn at once with replacement: a part of the random stream, not a setting.
_DRAW = 32


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Sampler(Generic[T_co]):
    """Base of samplers: ``__iter__`` gives indices, or lists of them."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not implement __iter__()")


class SequentialSampler(Sampler[int]):
    """Indices from 0 to the last."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def draw_seed(generator: Generator | None = None) -> int:
    """Draw a seed for another generator: one 64-bit integer."""
    return int(_core.empty((), dtype=_core.int64).random_(generator=generator).item())


class RandomSampler(Sampler[int]):
    """Indices in random order: a new permutation each time, or independent draws.

    Args:
        data_source: the data set, of which only the length matters.
        replacement: whether an index may be drawn again.
        num_samples: how many indices to give; the length of the data set where it is None. More than that
            without replacement gives further permutations.
        generator: drawn from directly; where it is None, each iteration takes a seed from the default one.

    Raises:
        TypeError: ``replacement`` is not a bool.
        ValueError: ``num_samples`` is not a positive integer, as for an empty data set.
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be a bool, got {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not _is_count(self.num_samples):
            raise ValueError(f"num_samples must be a positive integer, got {self.num_samples!r}")

    @property
    def num_samples(self) -> int:
        """How many indices an iteration gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def tensors(self) -> Iterator[_core.Tensor]:
        """Give the indices of one iteration as int64 tensors, one after the other."""
        size = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = Generator()
            generator.manual_seed(draw_seed())
        if self.replacement:
            for begin in range(0, self.num_samples, _DRAW):
                count = min(_DRAW, self.num_samples - begin)
                yield _core.randint(size, (count,), dtype=_core.int64, generator=generator)
        else:
            for _ in range(self.num_samples // size):
                yield _core.randperm(size, generator=generator)
            # Drawn in any case: what is left of the stream must not depend on the remainder.
            yield _core.randperm(size, generator=generator)[: self.num_samples % size]

    def __iter__(self) -> Iterator[int]:
        return itertools.chain.from_iterable(map(_core.Tensor.tolist, self.tensors()))

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in _core.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices from 0 to ``len(weights) - 1``, drawn in proportion to their weights.

    Raises:
        ValueError: ``num_samples`` is not a positive integer, ``replacement`` not a bool, or the weights
            are not one-dimensional.
    """

    weights: _core.Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not _is_count(num_samples):
            raise ValueError(
                f"WeightedRandomSampler: num_samples must be a positive integer, got {num_samples!r}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: replacement must be a bool, got {replacement!r}")
        self.weights = _core.as_tensor(weights, dtype=_core.float64)
        if self.weights.ndim != 1:
            shape = tuple(self.weights.shape)
            raise ValueError(f"WeightedRandomSampler: weights must be one-dimensional, got shape {shape}")
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        # Through the package: the operation is its public one.
        multinomial: Any = unspool.multinomial
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of another sampler into lists.

    Args:
        sampler: gives indices; any iterable.
        batch_size: of all lists but the last.
        drop_last: leave out a last list that is shorter.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or ``drop_last`` not a bool.
    """

    sampler: Iterable[Any]
    batch_size: int
    drop_last: bool

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        if not _is_count(batch_size):
            raise ValueError(f"batch_size must be a positive integer, got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last must be a bool, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)
