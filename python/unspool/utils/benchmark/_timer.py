"""``Timer``: runs a statement many times, with a given number of threads, after warming up."""

from __future__ import annotations

import enum
import textwrap
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import unspool
from unspool.utils.benchmark._measurement import Measurement, TaskSpec

__all__ = ["Language", "Timer", "timer"]

timer = timeit.default_timer

# A block of runs is long enough when the timer itself takes less than this share of it.
_TIMER_SHARE = 1e-4
_MOST_RUNS = 10**9


class Language(enum.Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


class Timer:
    """Measures how long a statement takes.

    Args:
        stmt: Python code, run in a loop.
        setup: Python code that runs once before each measurement.
        global_setup: must be empty; it is for statements in C++.
        timer: gives the time in seconds.
        globals: the variables that the code sees; ``torch`` and ``unspool`` are there in any case.
        label: what is measured, for printing; statements with the same label make one table.
        sub_label: which variant it is: the row of a table.
        description: what else distinguishes it: the column of a table.
        env: in which environment the times are taken.
        num_threads: how many threads unspool may use meanwhile.
        language: Python.

    Raises:
        ValueError: the code is not a string.
        NotImplementedError: ``language`` is C++.
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not (language is Language.PYTHON or str(language).lower() in ("python", "py")):
            raise NotImplementedError(f"Timer: statements in {language} are not supported; only in Python")
        if global_setup:
            raise ValueError("Timer: global_setup is for statements in C++; use setup")
        stmt, setup = _dedented(stmt), _dedented(setup)
        variables = {"torch": unspool, "unspool": unspool} | dict(globals or {})
        self._now = timer
        self._timer = timeit.Timer(stmt, setup, timer, variables)
        self._task_spec = TaskSpec(stmt, setup, "", label, sub_label, description, env, num_threads)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        before = unspool.get_num_threads()
        unspool.set_num_threads(self._task_spec.num_threads)
        try:
            yield
        finally:
            unspool.set_num_threads(before)

    def _timeit(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """One measurement of ``number`` runs, after a hundredth as many (at least 2) that do not count."""
        with self._threads():
            self._timeit(max(number // 100, 2))
            return Measurement(number, [self._timeit(number)], self._task_spec)

    def _block_size(self, min_run_time: float) -> int:
        """So many runs that the timer's own time does not matter, and a thousandth of the time is filled."""
        overhead = min(timeit.repeat("now()", number=100, repeat=5, globals={"now": self._now})) / 100
        number = 1
        while True:
            taken = self._timeit(number)
            if overhead / taken <= _TIMER_SHARE and taken >= min_run_time / 1000:
                return number
            if taken > min_run_time or number >= _MOST_RUNS:
                return number
            number *= 10

    def _blocks(
        self,
        min_run_time: float,
        max_run_time: float,
        callback: Callable[[int, float], Any] | None,
        is_enough: Callable[[list[float]], bool],
    ) -> Measurement:
        with self._threads():
            number = self._block_size(min_run_time)
            times: list[float] = []
            total = 0.0
            while (total < min_run_time or not is_enough(times)) and total < max_run_time:
                times.append(self._timeit(number))
                total += times[-1]
                if callback is not None:
                    callback(number, times[-1])
            return Measurement(number, times, self._task_spec)

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Blocks of runs for at least ``min_run_time`` seconds.

        Args:
            callback: called after each block with the number of runs and the seconds that they took.
            min_run_time: seconds for all blocks together.
        """
        return self._blocks(min_run_time, float("inf"), callback, lambda _: True)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """Blocks of runs until their interquartile range is below ``threshold`` medians, or time is over.

        Args:
            threshold: see above; it is looked at from the third block on.
            min_run_time: seconds to measure at least.
            max_run_time: seconds after which no further block is begun.
            callback: see ``blocked_autorange``.
        """
        return self._blocks(
            min_run_time,
            max_run_time,
            callback,
            lambda t: len(t) > 2 and Measurement(1, t, self._task_spec).meets_confidence(threshold),
        )

    def repeat(self, repeat: int = -1, number: int = -1) -> NoReturn:
        """Raises NotImplementedError: use ``blocked_autorange``."""
        raise NotImplementedError("Timer.repeat is not there, as in PyTorch; use blocked_autorange()")

    def autorange(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError: use ``blocked_autorange``."""
        raise NotImplementedError("Timer.autorange is not there, as in PyTorch; use blocked_autorange()")

    def collect_callgrind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError: run the program under ``valgrind --tool=callgrind``."""
        raise NotImplementedError(
            "Timer.collect_callgrind is not supported; run a program under valgrind --tool=callgrind"
        )


def _dedented(code: Any) -> str:
    if not isinstance(code, str):
        raise ValueError("Timer: stmt and setup must be strings; pass objects that they use in globals")
    return textwrap.dedent(code).strip()
