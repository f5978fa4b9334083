"""Batches prepared by threads while the step runs, given in order.

The threads know the shared ``_Run`` and never the iterator, so that an iterator nobody holds any more is
freed, and its threads end.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from unspool._core import Generator
from unspool.utils.data.sampler import draw_seed

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Goes through batches, preparing the next ones in threads while the caller works on the present one.

    Each iteration takes batches from ``batches`` one after another, applies ``transform`` to each, and gives
    the results in the order of the batches, whatever the number of threads. At most ``ahead`` results wait.
    Kernels of unspool and NumPy run without the interpreter's lock, so that augmentation, decoding and
    copying overlap with the step.

    An exception in ``batches`` or in ``transform`` is raised to the caller in its place in the order, after
    the batches before it, with the thread's traceback and a note that names the batch. Leaving the loop
    early, by break or by an exception, ends the threads after the batch they are at; ``close`` of the
    iterator also waits for them.

    Args:
        batches: any iterable, such as a ``DataLoader``; iterated anew each time.
        transform: makes of a batch what the caller gets; None gives the batch as it is.
        ahead: how many prepared batches may wait, at least 1.
        workers: how many threads; with more than one ``transform`` runs for several batches at once.
        seeded: call ``transform(batch, generator=g)`` with a generator for each batch, seeded by the number
            of the batch and one draw from the default generator at the beginning of an iteration: random
            results too are then the same for any number of threads.

    Raises:
        ValueError: numbers out of their range; ``seeded`` without a transform.

    Example::

        loader = DataLoader(dataset, batch_size=256, shuffle=True)
        for images, labels in Prefetcher(loader, lambda b: (augment(b[0]), b[1])):
            ...
    """

    def __init__(
        self,
        batches: Iterable[Any],
        transform: Callable[..., T] | None = None,
        *,
        ahead: int = 2,
        workers: int = 1,
        seeded: bool = False,
    ) -> None:
        if ahead < 1:
            raise ValueError(f"Prefetcher: ahead must be at least 1, got {ahead}")
        if workers < 1:
            raise ValueError(f"Prefetcher: workers must be at least 1, got {workers}")
        if seeded and transform is None:
            raise ValueError("Prefetcher: seeded needs a transform that takes generator=")
        self.batches = batches
        self.transform = transform
        self.ahead = ahead
        self.workers = workers
        self.seeded = seeded

    def __iter__(self) -> PrefetchIterator[T]:
        return PrefetchIterator(self)

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]


class PrefetchIterator(Generic[T]):
    """One iteration of a ``Prefetcher``; may be closed, or used in ``with``, to end its threads at once."""

    def __init__(self, owner: Prefetcher[T]) -> None:
        seed = draw_seed(None) if owner.seeded else None
        self._run = _Run(iter(owner.batches), owner.transform, owner.ahead, seed)
        _running.add(self._run)
        weakref.finalize(self, self._run.stop).atexit = False
        self._run.start(owner.workers)

    def __iter__(self) -> PrefetchIterator[T]:
        return self

    def __next__(self) -> T:
        return self._run.take()  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the threads and wait until they have; the iteration is over."""
        self._run.stop()
        self._run.join()

    def __enter__(self) -> PrefetchIterator[T]:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Run:
    """What the threads and the caller share."""

    def __init__(
        self,
        source: Iterator[Any],
        transform: Callable[..., Any] | None,
        ahead: int,
        seed: int | None,
    ) -> None:
        self._source = source
        self._transform = transform
        self._ahead = ahead
        self._seed = seed
        self._drawing = threading.Lock()  # held while the source gives its next batch
        self._changed = threading.Condition()  # guards all that follows
        self._ready: dict[int, tuple[Any, BaseException | None]] = {}
        self._drawn = 0  # batches that left the source
        self._taken = 0  # results that the caller has
        self._end: int | None = None  # how many results there are, once that is known
        self._stopped = False
        self._threads: list[threading.Thread] = []

    def start(self, workers: int) -> None:
        for number in range(workers):
            thread = threading.Thread(target=self._work, name=f"Prefetcher-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Tell the threads to end; does not wait, so that the collector may call it anywhere."""
        self._stopped = True
        # Whoever holds the condition is about to look at the flag, or to notify.
        if self._changed.acquire(blocking=False):
            self._changed.notify_all()
            self._changed.release()

    def join(self) -> None:
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def take(self) -> Any:
        """Wait for the next result; ends the iteration after the last one or a failure."""
        with self._changed:
            if self._stopped:
                raise StopIteration
            while self._taken not in self._ready:
                if self._is_over():
                    self._stopped = True
                    raise StopIteration
                self._changed.wait(_LOOK)
            value, error = self._ready.pop(self._taken)
            self._taken += 1
            if error is not None:
                self._stopped = True
            self._changed.notify_all()
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return value

    def _is_over(self) -> bool:
        return self._stopped or (self._end is not None and self._taken >= self._end)

    def _work(self) -> None:
        while (number := self._draw()) is not None:
            index, batch = number
            try:
                self._give(index, self._prepared(index, batch), None)
            except BaseException as error:
                error.add_note(f"raised in a thread of the Prefetcher, by the transform of batch {index}")
                self._give(index, None, _not_an_end(error))
            del number, batch

    def _draw(self) -> tuple[int, Any] | None:
        """Take the next batch from the source once there is room for it; None at the end."""
        with self._drawing:
            with self._changed:
                while not self._stopped and self._drawn >= self._taken + self._ahead:
                    self._changed.wait(_LOOK)
                if self._stopped or self._end is not None:
                    return None
                index = self._drawn
            try:
                batch = next(self._source)
            except StopIteration:
                self._finish(index)
                return None
            except BaseException as error:
                error.add_note(f"raised in a thread of the Prefetcher, by the source of batch {index}")
                self._finish(index + 1)
                self._give(index, None, error)
                return None
            with self._changed:
                self._drawn += 1
            return index, batch

    def _prepared(self, index: int, batch: Any) -> Any:
        if self._transform is None:
            return batch
        if self._seed is None:
            return self._transform(batch)
        return self._transform(batch, generator=Generator().manual_seed((self._seed + index) % 2**63))

    def _finish(self, end: int) -> None:
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def _give(self, index: int, value: Any, error: BaseException | None) -> None:
        with self._changed:
            self._ready[index] = (value, error)
            self._changed.notify_all()


_LOOK = 1.0  # seconds after which a waiting thread looks whether it was stopped while nobody could tell it


def _not_an_end(error: BaseException) -> BaseException:
    """A StopIteration from a transform would end the caller's loop in silence."""
    if not isinstance(error, StopIteration):
        return error
    replacement = RuntimeError("the transform raised StopIteration")
    replacement.__cause__ = error
    return replacement


_running: weakref.WeakSet[_Run] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Threads that still ran kernels while the interpreter is taken down would crash it."""
    for run in list(_running):
        run.stop()
        run.join()
