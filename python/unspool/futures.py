"""Values that are there later, as some packages hand them on; everything here happens in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A value, or an exception, that somebody sets; who waits for it gets it."""

    def __init__(self, *, devices: Any = None) -> None:
        del devices
        self._future: futures.Future[T] = futures.Future()

    def done(self) -> bool:
        """Whether it is there."""
        return self._future.done()

    def wait(self) -> T:
        """Wait for it, and give it or raise it."""
        return self._future.result()

    def value(self) -> T:
        """Give it or raise it.

        Raises:
            RuntimeError: it is not there.
        """
        if not self.done():
            raise RuntimeError("Future.value: the value is not there yet; call wait()")
        return self._future.result()

    def set_result(self, result: T) -> None:
        """Set the value, and call who asked for it."""
        self._future.set_result(result)

    def set_exception(self, result: BaseException) -> None:
        """Set an exception, which ``wait`` and ``value`` raise."""
        self._future.set_exception(result)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call a function of this future when the value is there; at once if it is."""
        self._future.add_done_callback(lambda _: callback(self))

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """Give the future of what a function makes of this one."""
        made: Future[Any] = Future()

        def finish(done: Future[T]) -> None:
            try:
                made.set_result(callback(done))
            except Exception as error:
                made.set_exception(error)

        self.add_done_callback(finish)
        return made


def collect_all(futures: Sequence[Future[Any]]) -> Future[list[Future[Any]]]:
    """Give a future whose value is the list, once all in it are done."""
    made: Future[list[Future[Any]]] = Future()
    waiting = [len(futures)]

    def count(_: Future[Any]) -> None:
        waiting[0] -= 1
        if not waiting[0]:
            made.set_result(list(futures))

    for each in futures:
        each.add_done_callback(count)
    if not futures:
        made.set_result([])
    return made


def wait_all(futures: Sequence[Future[Any]]) -> list[Any]:
    """Wait for all, and give their values."""
    return [each.wait() for each in futures]
