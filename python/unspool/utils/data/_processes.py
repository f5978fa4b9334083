"""Workers of a DataLoader that are processes.

Each has two pipes of its own. A batch travels as a pickle whose arrays follow it as raw bytes, so that they
are received into the memory that the tensors then use. A thread of the worker sends, so that the next batch
can be made before the last one has been taken.

A worker ends when it is told to, and also when its parent has gone, however that happened. It ignores
interrupts from the keyboard: they concern the parent.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import pickle
import queue
import random
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from unspool import _core
from unspool.utils.data._worker import Answers, Failure, Fetch, WorkerInfo, enter_worker

_STOP, _RESTART, _TASK = range(3)
# Seconds between two looks at whether the parent is still there, and to wait for a worker to end.
_PATIENCE = 1.0


class ProcessWorkers:
    """Processes that answer tasks, each in the order in which it gets them."""

    def __init__(
        self, fetch: Fetch, count: int, seed: int, init: Callable[[int], None] | None, context: Any
    ) -> None:
        self._closed = False
        self._owner = os.getpid()
        self._workers: list[Any] = []
        self._tasks: list[Connection] = []
        self._replies: list[Connection] = []
        for number in range(count):
            tasks, tasks_in = context.Pipe(duplex=False)
            replies_out, replies = context.Pipe(duplex=False)
            arguments = (tasks, replies, fetch, number, count, seed, init)
            process = context.Process(target=_run, args=arguments, daemon=True)
            process.start()
            # The worker alone holds these ends now, so that its death shows as an end of file.
            tasks.close()
            replies.close()
            self._workers.append(process)
            self._tasks.append(tasks_in)
            self._replies.append(replies_out)

    def put(self, worker: int, task: Any) -> None:
        """Give a worker a task."""
        self._send(worker, (_TASK, task))

    def _send(self, worker: int, message: Any) -> None:
        try:
            self._tasks[worker].send(message)
        except OSError:
            raise self._death(worker) from None

    def get(self, worker: int, timeout: float) -> tuple[int, Any]:
        """Wait for the next reply of a worker.

        Raises:
            RuntimeError: the timeout in seconds (0: none) has passed, or the process has died.
        """
        pipe = self._replies[worker]
        if not wait([pipe, self._workers[worker].sentinel], timeout or None):
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        try:
            return _receive(pipe)
        except (EOFError, OSError):
            raise self._death(worker) from None

    def _death(self, worker: int) -> RuntimeError:
        process = self._workers[worker]
        process.join(_PATIENCE)
        return RuntimeError(
            f"DataLoader worker (pid {process.pid}) exited unexpectedly with exit code {process.exitcode}; "
            "num_workers=0 shows errors where they happen"
        )

    def restart(self) -> None:
        """Begin another epoch in all workers."""
        for worker in range(len(self._workers)):
            self._send(worker, (_RESTART, None))

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._closed:
            return
        self._closed = True
        if os.getpid() != self._owner:
            return  # a fork of the process that started them: they are not ours to end
        for pipe in self._tasks:
            with contextlib.suppress(OSError):  # the worker may be gone already
                pipe.send((_STOP, None))
            pipe.close()
        for pipe in self._replies:
            pipe.close()
        for process in self._workers:
            process.join(_PATIENCE)
            if process.is_alive():
                process.terminate()
                process.join()


def _receive(pipe: Connection) -> tuple[int, Any]:
    head, sizes = pickle.loads(pipe.recv_bytes())
    buffers = [bytearray(size) for size in sizes]
    for buffer in buffers:
        if buffer:
            pipe.recv_bytes_into(buffer)
    reply: tuple[int, Any] = pickle.loads(head, buffers=buffers)
    return reply


def _send_all(pipe: Connection, parcels: queue.SimpleQueue[Any]) -> None:
    """Send what the worker has made, as long as somebody listens."""
    try:
        while True:
            head, buffers = parcels.get()
            pipe.send_bytes(pickle.dumps((head, [buffer.nbytes for buffer in buffers])))
            for buffer in buffers:
                if buffer.nbytes:
                    pipe.send_bytes(buffer)
    except OSError:
        os._exit(0)  # the parent no longer wants the batches


def _pack(reply: tuple[int, Any], where: str) -> tuple[bytes, list[memoryview]]:
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = pickle.dumps(reply, protocol=5, buffer_callback=buffers.append)
    except Exception as error:
        failure = reply[1] if isinstance(reply[1], Failure) else Failure.of(error, where)
        # An exception class that only the worker knows.
        return _pack((Answers.FAILURE, Failure(RuntimeError, failure.message)), where)
    return head, [buffer.raw() for buffer in buffers]


def _seed_all(seed: int, info: WorkerInfo) -> None:
    """Seed the default generators as PyTorch's workers do."""
    random.seed(info.seed)
    _core.manual_seed(info.seed)
    words = [info.id, seed & 0xFFFFFFFF, seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))  # noqa: NPY002 (data sets use it)


def _run(
    tasks: Connection,
    replies: Connection,
    fetch: Fetch,
    number: int,
    count: int,
    seed: int,
    init: Callable[[int], None] | None,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    info = WorkerInfo(number, count, seed + number, fetch.dataset)
    where = f"DataLoader worker process {number}"

    def prepare() -> None:
        _core.set_num_threads(1)
        _seed_all(seed, info)
        enter_worker(info)
        if init is not None:
            init(number)

    answers = Answers(fetch, where, prepare)
    parcels: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sender = threading.Thread(target=_send_all, args=(replies, parcels), daemon=True)
    sender.start()
    pending: collections.deque[tuple[int, Any]] = collections.deque()
    while True:
        # All messages are looked at before the next task is begun, so that a stop need not wait its turn.
        while not pending or tasks.poll():
            if tasks.poll(_PATIENCE):
                message = _message(tasks)
                if message[0] == _STOP:
                    return  # what has not been taken by now is not wanted
                pending.append(message)
            elif parent is not None and not parent.is_alive():
                return
        kind, task = pending.popleft()
        if kind == _RESTART:
            answers.restart()
        else:
            parcels.put(_pack(answers.reply(task), where))


def _message(tasks: Connection) -> tuple[int, Any]:
    try:
        message: tuple[int, Any] = tasks.recv()
    except EOFError:
        return _STOP, None
    return message
