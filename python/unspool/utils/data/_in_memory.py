"""The short way from tensors in memory to batches: one gather per tensor, and no list of samples.

It is taken where nothing else could be observed: a ``TensorDataset``, or a ``Subset`` of one, whose classes
are not derived from, with the default collation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from unspool import _core
from unspool._core import Tensor
from unspool.utils.data._collate import default_collate
from unspool.utils.data._worker import Fetch
from unspool.utils.data.dataset import Subset, TensorDataset
from unspool.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

# Gathering this many bytes takes as long as handing a batch from one thread to another.
_WORTH_A_THREAD = 1 << 20


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of tensors; those at ``places``, where that is given. ``dataset`` is where they come from."""

    tensors: tuple[Tensor, ...]
    places: Tensor | None
    dataset: Any

    def take(self, indices: Tensor | slice | Any) -> Any:
        """Copy out a batch: of a range, of an index tensor, or of what a user's sampler gives."""
        if not isinstance(indices, (Tensor, slice)):
            return default_collate([self.dataset[index] for index in indices])
        if isinstance(indices, slice) and self.places is None:
            return [tensor[indices].clone() for tensor in self.tensors]
        if isinstance(indices, slice):
            assert self.places is not None
            indices = self.places[indices]
        elif self.places is not None:
            indices = self.places.index_select(0, indices)
        return [tensor.index_select(0, indices) for tensor in self.tensors]

    def fetch(self) -> Fetch:
        """Give the same for workers."""
        return _GatherFetch(self, default_collate)

    def index_batches(self, batch_sampler: Iterable[Any]) -> Iterator[Any]:
        """Give the batches of a sampler in the forms that ``take`` likes best."""
        return index_batches(batch_sampler, len(self.dataset))

    def worth_a_thread(self, batch_size: int | None) -> bool:
        """Whether a batch is large enough to be made in another thread."""
        row_bytes = sum(tensor.nbytes // max(len(tensor), 1) for tensor in self.tensors)
        return batch_size is None or batch_size * row_bytes >= _WORTH_A_THREAD


class _GatherFetch(Fetch):
    """A Fetch whose data set is Rows and whose tasks are index tensors or slices."""

    def start(self) -> Callable[[Any], Any]:
        return self.dataset.take  # type: ignore[no-any-return]


def of(loader: Any) -> Rows | None:
    """Give the rows behind a loader, or None where the short way does not apply."""
    plain = loader.collate_fn is default_collate and loader._auto_collation
    if not plain or loader.worker_init_fn is not None:
        return None
    if loader.worker_method == "multiprocessing" or loader.multiprocessing_context is not None:
        return None
    dataset: Any = loader.dataset
    indices = None
    if type(dataset) is Subset:
        dataset, indices = dataset.dataset, dataset.indices
    if type(dataset) is not TensorDataset or any(tensor.ndim == 0 for tensor in dataset.tensors):
        return None
    places = None
    if indices is not None:
        size = len(dataset)
        if not all(-size <= index < size for index in indices):
            return None  # the long way says what is wrong
        places = _core.tensor([index % size for index in indices], dtype=_core.int64)
    return Rows(dataset.tensors, places, loader.dataset)


def index_batches(batch_sampler: Iterable[Any], size: int) -> Iterator[Any]:
    """Give the batches of a sampler over ``size`` samples as index tensors or slices, where they are."""
    if type(batch_sampler) is BatchSampler:
        sampler, count, drop_last = batch_sampler.sampler, batch_sampler.batch_size, batch_sampler.drop_last
        # A sampler of more than there is gets its error from the long way.
        if type(sampler) is SequentialSampler and len(sampler) <= size:
            return _ranges(len(sampler), count, drop_last)
        if type(sampler) is RandomSampler and len(sampler.data_source) <= size:
            return _cut(sampler.tensors(), count, drop_last)
    return (_index_tensor(indices, size) for indices in batch_sampler)


def _index_tensor(indices: Any, size: int) -> Any:
    """Give a list of ints in range as a tensor, and anything else as it is."""
    if all(type(index) is int and -size <= index < size for index in indices) and indices:
        return _core.tensor([index % size for index in indices], dtype=_core.int64)
    return indices


def _ranges(length: int, size: int, drop_last: bool) -> Iterator[slice]:
    end = length - length % size if drop_last else length
    return (slice(begin, min(begin + size, end)) for begin in range(0, end, size))


def _cut(pieces: Iterator[Tensor], size: int, drop_last: bool) -> Iterator[Tensor]:
    """Cut a sequence of index tensors, as if they were one, into batches."""
    rest: list[Tensor] = []
    held = 0
    for piece in pieces:
        begin = 0
        while held + len(piece) - begin >= size:
            end = begin + size - held
            batch = piece[begin:end]
            yield _core.ops.cat([*rest, batch]) if rest else batch
            rest, held, begin = [], 0, end
        if begin < len(piece):
            rest.append(piece[begin:])
            held += len(piece) - begin
    if rest and not drop_last:
        yield _core.ops.cat(rest) if len(rest) > 1 else rest[0]
