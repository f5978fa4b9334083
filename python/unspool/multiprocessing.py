"""The standard library's multiprocessing, with ``spawn`` and the names that PyTorch adds.

Tensors that are sent to another process are copied, not shared.
"""

from __future__ import annotations

import multiprocessing as _standard
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [
    *_standard.__all__,
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
]

_STRATEGY = "file_system"


def get_all_sharing_strategies() -> set[str]:
    """Give the names that ``set_sharing_strategy`` accepts."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """Give the name that was set last."""
    return _STRATEGY


def set_sharing_strategy(new_strategy: str) -> None:
    """Accept a strategy; tensors are copied in any case."""
    global _STRATEGY
    if new_strategy not in get_all_sharing_strategies():
        raise ValueError(f"set_sharing_strategy: unknown strategy {new_strategy!r}")
    _STRATEGY = new_strategy


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> Any:
    """Run ``fn(i, *args)`` in ``nprocs`` processes.

    Returns:
        None after all have ended; with ``join=False`` the list of processes.

    Raises:
        RuntimeError: a process has failed.
    """
    context = _standard.get_context(start_method)
    processes: list[Any] = []
    for number in range(nprocs):
        process = context.Process(target=fn, args=(number, *args), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        processes.append(process)
    if not join:
        return processes
    for number, process in enumerate(processes):
        process.join()
        if process.exitcode:
            for other in processes:
                other.terminate()
            raise RuntimeError(f"spawn: process {number} ended with exit code {process.exitcode}")
    return None
