"""What a worker of a DataLoader does: it fetches batches, whether it is a process or a thread.

How tasks reach it and replies come back is said in ``_processes`` and ``_threads``.
"""

from __future__ import annotations

import dataclasses
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from unspool.utils.data.dataset import IterableDataset


@dataclasses.dataclass(frozen=True)
class WorkerInfo:
    """Which worker the code runs in: its number, how many there are, its seed and its data set.

    Attributes:
        id: from 0 to ``num_workers - 1``.
        num_workers: of the loader.
        seed: of this worker; in a process, the default generators start from it.
        dataset: the worker's own copy in a process, the shared object in a thread.
        worker_method: "multiprocessing" or "thread".
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    worker_method: str = "multiprocessing"


_current = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """Describe the DataLoader worker that the caller runs in; None outside of one."""
    return getattr(_current, "info", None)


def enter_worker(info: WorkerInfo) -> None:
    """Say that the current thread is a worker, or the main thread of one."""
    _current.info = info


class EndOfData(Exception):
    """An iterable data set has no more samples."""


@dataclasses.dataclass(frozen=True)
class Fetch:
    """Makes batches: the part of a DataLoader that workers need.

    With ``auto_collation`` a task is a list of indices, otherwise one index.
    """

    dataset: Any
    collate: Callable[[Any], Any]
    auto_collation: bool = True
    drop_last: bool = False

    def start(self) -> Callable[[Any], Any]:
        """Begin an epoch: give the function that makes a batch of a task."""
        if isinstance(self.dataset, IterableDataset):
            return self._next_of(iter(self.dataset))
        if not self.auto_collation:
            return lambda index: self.collate(self.dataset[index])
        return self._take

    def _take(self, indices: Any) -> Any:
        take_many = getattr(self.dataset, "__getitems__", None)
        if take_many:
            return self.collate(take_many(indices))
        return self.collate([self.dataset[index] for index in indices])

    def _next_of(self, samples: Iterator[Any]) -> Callable[[Any], Any]:
        ended = False

        def one(_: Any) -> Any:
            for sample in samples:
                return self.collate(sample)
            raise EndOfData

        def several(task: Any) -> Any:
            nonlocal ended
            batch = [sample for _, sample in zip(task, samples, strict=False)] if not ended else []
            ended = len(batch) < len(task)
            if not batch or (ended and self.drop_last):
                raise EndOfData
            return self.collate(batch)

        return several if self.auto_collation else one


@dataclasses.dataclass(frozen=True)
class Failure:
    """An exception on its way from a worker to the caller."""

    kind: type[BaseException]
    message: str

    @staticmethod
    def of(error: BaseException, where: str) -> Failure:
        """Describe an exception with its traceback."""
        text = "".join(traceback.format_exception(error))
        return Failure(type(error), f"Caught {type(error).__name__} in {where}.\nOriginal {text}")

    def reraise(self) -> None:
        """Raise an exception of the original type, with the original traceback in its message."""
        message = _Verbatim(self.message) if issubclass(self.kind, KeyError) else self.message
        try:
            if issubclass(self.kind, StopIteration):
                raise TypeError("would end the iteration in silence")
            error = self.kind(message)
        except Exception:
            # Its constructor wants something else.
            error = RuntimeError(self.message)
        raise error


class _Verbatim(str):
    """A KeyError shows the repr of its message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Answers:
    """Turns tasks into replies, each ``(kind, value)``; never raises an Exception."""

    BATCH, END, FAILURE = range(3)

    def __init__(self, fetch: Fetch, where: str, prepare: Callable[[], None]) -> None:
        self._fetch = fetch
        self._where = where
        self._failure: Failure | None = None
        self._next: Callable[[Any], Any] | None = None
        try:
            prepare()
        except Exception as error:
            self._failure = Failure.of(error, where)

    def restart(self) -> None:
        """Begin another epoch."""
        self._next = None

    def reply(self, task: Any) -> tuple[int, Any]:
        """Make the batch of a task, or say why there is none."""
        if self._failure is not None:
            return Answers.FAILURE, self._failure
        try:
            if self._next is None:
                self._next = self._fetch.start()
            return Answers.BATCH, self._next(task)
        except EndOfData:
            return Answers.END, None
        except Exception as error:
            return Answers.FAILURE, Failure.of(error, self._where)
