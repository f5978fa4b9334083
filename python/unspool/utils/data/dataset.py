"""Data sets: what they promise, and the ways of combining and splitting them."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from unspool import _core
from unspool._core import Generator, Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Dataset(Generic[T_co]):
    """Samples by index. Subclasses give ``__getitem__(index)`` and, where it is known, ``__len__``.

    A method ``__getitems__(indices)``, giving a list of samples, is used for whole batches where it exists.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} does not implement __getitem__(index)")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples in the order in which ``__iter__`` gives them.

    Each of several workers iterates over its own copy; ``get_worker_info()`` tells it which part is its own.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not implement __iter__()")

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors: sample i is ``(a[i], b[i], ...)``.

    A ``DataLoader`` with the default collation takes a batch from it by one gather per tensor.

    Raises:
        ValueError: the first dimensions differ in size.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if any(tensor.shape[:1] != tensors[0].shape[:1] for tensor in tensors):
            sizes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
            raise ValueError(f"TensorDataset: the first dimensions differ in size: {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Data sets side by side: a sample is a tuple of theirs, or a dict when they are given by name.

    Raises:
        ValueError: none is given, both forms are mixed, or the lengths differ.
    """

    datasets: Any

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: needs data sets, either all by position or all by name")
        self.datasets = args or kwargs
        lengths = [len(each) for each in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: the data sets differ in length: {lengths}")
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _join(self, samples: Iterable[Any]) -> Any:
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, samples, strict=True))
        return tuple(samples)

    def __getitem__(self, index: Any) -> Any:
        return self._join(part[index] for part in self._parts())

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        columns = [_take(part, indices) for part in self._parts()]
        return [self._join(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Data sets one after the other.

    Raises:
        ValueError: there is none, or one of them is iterable only (see ``ChainDataset``).
        IndexError: a negative index reaches before the start.
    """

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: needs at least one data set")
        if any(isinstance(each, IterableDataset) for each in self.datasets):
            raise ValueError("ConcatDataset: an IterableDataset has no indices; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(each) for each in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        if index < -len(self):
            raise ValueError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        if index < 0:
            index += len(self)
        place = bisect.bisect_right(self.cumulative_sizes, index)
        if place == len(self.datasets):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        return self.datasets[place][index - (self.cumulative_sizes[place - 1] if place else 0)]


class ChainDataset(IterableDataset[T_co]):
    """Iterable data sets one after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        for each in self.datasets:
            if not isinstance(each, IterableDataset):
                raise TypeError(f"ChainDataset: expects IterableDatasets, not {type(each).__name__}")
            yield from each

    def __len__(self) -> int:
        return sum(len(each) for each in self.datasets)  # type: ignore[arg-type,misc]


class Subset(Dataset[T_co]):
    """The samples of a data set at the given indices."""

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        return _take(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def _take(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """Fetch several samples, at once where the data set can."""
    take_many = getattr(dataset, "__getitems__", None)
    if not callable(take_many):
        return [dataset[i] for i in indices]
    samples: list[Any] = take_many(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}.__getitems__ gave {len(samples)} samples for {len(indices)} indices"
        )
    return samples


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Split a data set at random into parts that do not overlap.

    Args:
        dataset: what is split.
        lengths: sizes that sum to the length of the data set; or fractions that sum to 1, each rounded down,
            with what remains given to the parts in turn from the first.
        generator: of the permutation; the default one where it is None.

    Raises:
        ValueError: the lengths do not sum to that of the data set, or a fraction is not in [0, 1].
    """
    size = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if any(not 0 <= fraction <= 1 for fraction in lengths):
            raise ValueError(f"random_split: fractions must lie between 0 and 1, got {list(lengths)}")
        counts = [math.floor(size * fraction) for fraction in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = list(lengths)  # type: ignore[arg-type]
    if sum(counts) != size:
        raise ValueError(
            f"random_split: lengths {list(lengths)} sum to {sum(counts)}, but the data set has {size} samples"
        )
    order = _core.randperm(size, generator=generator).tolist()
    return [
        Subset(dataset, order[end - count : end])
        for end, count in zip(itertools.accumulate(counts), counts, strict=True)
    ]
