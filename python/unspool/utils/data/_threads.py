"""Workers of a DataLoader that are threads: nothing is copied between them and the caller."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from unspool.utils.data._worker import Answers, Fetch, WorkerInfo, enter_worker

_STOP, _RESTART = object(), object()


class ThreadWorkers:
    """Threads that answer tasks, each in the order in which it gets them."""

    def __init__(self, fetch: Fetch, count: int, seed: int, init: Callable[[int], None] | None) -> None:
        self._tasks: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(count)]
        self._replies: list[queue.SimpleQueue[tuple[int, Any]]] = [queue.SimpleQueue() for _ in range(count)]
        for number in range(count):
            info = WorkerInfo(number, count, seed + number, fetch.dataset, "thread")
            arguments = (info, fetch, init, self._tasks[number], self._replies[number])
            threading.Thread(target=_run, args=arguments, name=f"DataLoader-{number}", daemon=True).start()

    def put(self, worker: int, task: Any) -> None:
        """Give a worker a task."""
        self._tasks[worker].put(task)

    def get(self, worker: int, timeout: float) -> tuple[int, Any]:
        """Wait for the next reply of a worker; RuntimeError after the timeout (0: none)."""
        try:
            return self._replies[worker].get(timeout=timeout or None)
        except queue.Empty:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None

    def restart(self) -> None:
        """Begin another epoch in all workers."""
        for tasks in self._tasks:
            tasks.put(_RESTART)

    def close(self) -> None:
        """Let the threads end once they have worked off their tasks."""
        for tasks in self._tasks:
            tasks.put(_STOP)


def _run(
    info: WorkerInfo,
    fetch: Fetch,
    init: Callable[[int], None] | None,
    tasks: queue.SimpleQueue[Any],
    replies: queue.SimpleQueue[tuple[int, Any]],
) -> None:
    enter_worker(info)
    answers = Answers(fetch, f"DataLoader worker thread {info.id}", lambda: init(info.id) if init else None)
    while (task := tasks.get()) is not _STOP:
        if task is _RESTART:
            answers.restart()
        else:
            replies.put(answers.reply(task))
