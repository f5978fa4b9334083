"""The loader: goes through a data set in batches, in this thread, in processes or in threads.

The default generator is used as PyTorch uses it: one draw when an iteration begins (the seed of the workers),
and one when a ``RandomSampler`` without a generator of its own begins.
"""

from __future__ import annotations

import itertools
import multiprocessing
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from unspool._core import Generator
from unspool.utils.data import _in_memory
from unspool.utils.data._collate import default_collate, default_convert
from unspool.utils.data._processes import ProcessWorkers
from unspool.utils.data._threads import ThreadWorkers
from unspool.utils.data._worker import Answers, EndOfData, Fetch, get_worker_info
from unspool.utils.data.dataset import Dataset, IterableDataset
from unspool.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

# Names of types, which packages take from here for annotations.
_collate_fn_t = Callable[[list[Any]], Any]
_worker_init_fn_t = Callable[[int], None]


class _Unnumbered(Sampler[None]):
    """Stands for the indices that an iterable data set does not have."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Iterates over a data set in batches.

    A ``TensorDataset`` (or a ``Subset`` of one) with the default collation is not visited sample by sample:
    a batch is one gather per tensor. With workers such a loader gathers large batches ahead in threads, as
    processes would only add copies; ``multiprocessing_context`` or ``worker_method`` insist on processes.

    Args:
        dataset: a ``Dataset``, an ``IterableDataset``, or any object with ``__getitem__`` and ``__len__``.
        batch_size: samples in a batch; None turns batching off, so that single samples are given.
        shuffle: take the samples in a new random order in each iteration.
        sampler: gives the indices instead.
        batch_sampler: gives lists of indices instead; excludes the three above and ``drop_last``.
        num_workers: how many workers make batches ahead; 0 makes them on demand in the caller.
        collate_fn: makes a batch of a list of samples; ``default_collate``, or ``default_convert`` without
            batching.
        pin_memory: accepted; there is no device to copy to.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a worker; 0 waits as long as it takes.
        worker_init_fn: called with the worker's number when it starts.
        multiprocessing_context: a start method ("fork", "spawn", "forkserver") or a context.
        generator: of the shuffling and of the workers' seeds; None for the default one.
        prefetch_factor: batches that each worker makes ahead; 2 with workers.
        persistent_workers: keep the workers after an iteration.
        pin_memory_device: accepted, see ``pin_memory``.
        in_order: accepted; batches always come in order.
        worker_method: "multiprocessing" or "thread". Threads share the data set and the default generators
            with the caller and copy nothing; they pay where samples come from NumPy or unspool, or from
            files. None leaves the choice open: processes, except for tensors in memory.

    Raises:
        ValueError: options that exclude each other, or out of their range.
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    prefetch_factor: int | None
    batch_sampler: Any

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker_method: str | None = None,
    ) -> None:
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.worker_method = worker_method
        self._check_workers(prefetch_factor)
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers > 0 else prefetch_factor
        self.multiprocessing_context = multiprocessing_context
        _check_sampling(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            sampler = self._default_sampler(bool(shuffle))
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self._iterator: _MultiProcessingDataLoaderIter | None = None
        self._begun = False
        self._settled = True

    def _check_workers(self, prefetch_factor: int | None) -> None:
        if self.num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {self.num_workers}; 0 means no workers")
        if self.timeout < 0:
            raise ValueError(f"timeout must not be negative, got {self.timeout}")
        if self.num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor needs workers: set num_workers > 0, or leave it None")
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError(f"prefetch_factor must be positive, got {prefetch_factor}")
        if self.num_workers == 0 and self.persistent_workers:
            raise ValueError("persistent_workers needs workers: set num_workers > 0")
        if self.worker_method not in (None, "multiprocessing", "thread"):
            raise ValueError(
                f'worker_method must be "multiprocessing" or "thread", got {self.worker_method!r}'
            )

    def _default_sampler(self, shuffle: bool) -> Sampler[Any]:
        if isinstance(self.dataset, IterableDataset):
            return _Unnumbered()
        if shuffle:
            return RandomSampler(self.dataset, generator=self.generator)  # type: ignore[arg-type]
        return SequentialSampler(self.dataset)  # type: ignore[arg-type]

    @property
    def multiprocessing_context(self) -> Any:
        """The context that worker processes are made by, or None for the default one."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers == 0:
                raise ValueError("multiprocessing_context needs workers: set num_workers > 0")
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(f"multiprocessing_context must be one of {methods}, got {context!r}")
                context = multiprocessing.get_context(context)
            elif not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context must be a start method or a context, "
                    f"got {type(context).__name__}"
                )
        self._context = context

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if name in fixed and getattr(self, "_settled", False):
            raise ValueError(f"{name} cannot be changed; make a new DataLoader")
        super().__setattr__(name, value)

    # The two names that PyTorch's iterators ask, and that derived loaders override: with ``_auto_collation``
    # False and ``_index_sampler`` the batch sampler, a data set is asked for a whole batch at once.
    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    @property
    def tasks(self) -> Any:
        """What is iterated over: the batch sampler, or without batching the sampler."""
        return self._index_sampler

    def _fetch(self) -> Fetch:
        return Fetch(self.dataset, self.collate_fn, self._auto_collation, self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        rows = _in_memory.of(self)
        if rows is not None and not rows.worth_a_thread(self.batch_size):
            return _SingleProcessDataLoaderIter(self)
        if not self.persistent_workers:
            return _MultiProcessingDataLoaderIter(self)
        if self._iterator is None or self._iterator.closed:
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator.restart()
        return self._iterator

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self.tasks)
        samples = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return samples
        whole, rest = divmod(samples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


def _check_sampling(
    dataset: Any, batch_size: int | None, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if dataset is None:
        raise TypeError("DataLoader: dataset must have __getitem__ or __iter__, not be None")
    if isinstance(dataset, IterableDataset):
        given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"DataLoader: an IterableDataset has its own order; {name}={value} is not possible"
                )
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler and shuffle exclude each other")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError("DataLoader: batch_size=None turns batching off, which excludes drop_last")


class _BaseDataLoaderIter:
    """What iterators over loaders have in common."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = weakref.ref(loader)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __next__")

    def __len__(self) -> int:
        alive = self._loader()
        if alive is None:
            raise TypeError("len(): the DataLoader of this iterator is gone")
        return len(alive)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Makes each batch when it is asked for."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        if not (loader.persistent_workers and loader._begun):
            draw_seed(loader.generator)  # the workers that are not there would have had it
            loader._begun = True
        rows = _in_memory.of(loader)
        self._make: Callable[[Any], Any]
        if rows is not None:
            self._tasks = rows.index_batches(loader.batch_sampler)
            self._make = rows.take
        else:
            self._tasks = iter(loader.tasks)
            self._make = loader._fetch().start()

    def __next__(self) -> Any:
        task = next(self._tasks)
        try:
            return self._make(task)
        except EndOfData:
            raise StopIteration from None


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Hands tasks to workers in turn, ahead of time, and gives their replies in the same order."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        self.closed = False
        self._timeout = loader.timeout
        self._keep = loader.persistent_workers
        seed = draw_seed(loader.generator)
        count = loader.num_workers
        fetch = loader._fetch()
        self._rows = _in_memory.of(loader)
        if self._rows is not None:
            fetch = self._rows.fetch()
        self._workers: ThreadWorkers | ProcessWorkers
        if self._rows is not None or loader.worker_method == "thread":
            self._workers = ThreadWorkers(fetch, count, seed, loader.worker_init_fn)
        else:
            context = loader.multiprocessing_context or multiprocessing
            self._workers = ProcessWorkers(fetch, count, seed, loader.worker_init_fn, context)
        self._count = count
        self._ahead = count * (loader.prefetch_factor or 1)
        self._begin(loader)

    def _begin(self, loader: DataLoader[Any]) -> None:
        self._tasks = iter(loader.tasks) if self._rows is None else self._rows.index_batches(loader.tasks)
        self._turn = 0
        self._busy = [True] * self._count
        # The workers of the tasks that are out, oldest first.
        self._out: list[int] = []
        for _ in range(self._ahead):
            self._hand_out()

    def restart(self) -> None:
        """Begin another iteration with the same workers."""
        for worker in self._out:
            self._workers.get(worker, self._timeout)
        self._workers.restart()
        loader = self._loader()
        assert loader is not None
        self._begin(loader)

    def _hand_out(self) -> None:
        """Give the next task to the next worker that has data."""
        if True not in self._busy:
            return
        try:
            task = next(self._tasks)
        except StopIteration:
            return
        while not self._busy[self._turn]:
            self._turn = (self._turn + 1) % self._count
        self._workers.put(self._turn, task)
        self._out.append(self._turn)
        self._turn = (self._turn + 1) % self._count

    def __next__(self) -> Any:
        while self._out:
            worker = self._out[0]
            try:
                kind, value = self._workers.get(worker, self._timeout)
            except BaseException:
                # Interrupted, too late, or dead: the replies that follow cannot be told apart any more.
                self.close()
                raise
            self._out.pop(0)
            self._busy[worker] = self._busy[worker] and kind != Answers.END
            self._hand_out()
            if kind == Answers.FAILURE:
                value.reraise()
            if kind == Answers.BATCH:
                return value
        if not self._keep:
            self.close()
        raise StopIteration

    def close(self) -> None:
        """End the workers."""
        if not self.closed:
            self.closed = True
            self._out.clear()
            self._workers.close()

    # PyTorch's name, which libraries call.
    _shutdown_workers = close

    def __del__(self) -> None:
        if hasattr(self, "_workers"):
            self.close()
