"""unspool.train.Prefetcher: order, overlap, failures, and threads that end."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

import unspool as us
from unspool.train import Prefetcher
from unspool.utils.data import DataLoader, TensorDataset


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("Prefetcher")]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    gc.collect()
    end = time.monotonic() + 10
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() == []


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("ahead", [1, 2, 7])
def test_results_come_in_order_whatever_takes_how_long(workers: int, ahead: int) -> None:
    def uneven(i: int) -> int:
        time.sleep(0.002 * (i % 3))
        return i * i

    prefetcher = Prefetcher(range(20), uneven, ahead=ahead, workers=workers)
    assert len(prefetcher) == 20
    for _ in range(2):
        assert list(prefetcher) == [i * i for i in range(20)]


def test_without_a_transform_batches_pass_and_an_empty_source_ends() -> None:
    assert list(Prefetcher("abc")) == ["a", "b", "c"]
    assert list(Prefetcher([])) == []


def test_no_more_than_ahead_results_wait() -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for i in range(100):
            drawn.append(i)
            yield i

    iterator = iter(Prefetcher(source(), ahead=3))
    assert next(iterator) == 0
    time.sleep(0.2)
    assert len(drawn) == 4  # one taken, three waiting
    iterator.close()


def test_the_next_batch_is_made_while_the_caller_works() -> None:
    ready = threading.Event()

    def transform(i: int) -> int:
        if i == 1:
            ready.set()
        return i

    iterator = iter(Prefetcher(range(3), transform))
    assert next(iterator) == 0
    assert ready.wait(10)  # batch 1 is made although nobody asked for it
    assert list(iterator) == [1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_failures_come_in_their_place_with_their_traceback(workers: int) -> None:
    def fails_at_three(i: int) -> int:
        if i == 3:
            raise KeyError("no such thing")
        return i

    iterator = iter(Prefetcher(range(9), fails_at_three, workers=workers))
    assert [next(iterator) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="no such thing") as caught:
        next(iterator)
    text = "".join(traceback.format_exception(caught.value))
    assert "in fails_at_three" in text
    assert "by the transform of batch 3" in text
    with pytest.raises(StopIteration):
        next(iterator)


def test_failures_of_the_source_come_after_what_it_gave() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("disk on fire")

    iterator = iter(Prefetcher(source(), ahead=5))
    assert next(iterator) == 1
    with pytest.raises(OSError, match="disk on fire") as caught:
        next(iterator)
    assert caught.value.__notes__ == ["raised in a thread of the Prefetcher, by the source of batch 1"]


def test_a_transform_cannot_end_the_loop_in_silence() -> None:
    def transform(_: int) -> int:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(Prefetcher([1], transform))


@pytest.mark.parametrize("workers", [1, 2])
def test_leaving_the_loop_ends_the_threads(workers: int) -> None:
    for i in Prefetcher(iter(range(10**9)), workers=workers):
        if i == 5:
            break


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_in_the_loop_ends_the_threads(workers: int) -> None:
    def interrupted() -> None:
        for i in Prefetcher(iter(range(10**9)), workers=workers):
            if i == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_close_waits_for_the_threads() -> None:
    with iter(Prefetcher(iter(range(10**9)))) as iterator:
        next(iterator)
        mine = list(iterator._run._threads)
    assert not any(thread.is_alive() for thread in mine)
    with pytest.raises(StopIteration):
        next(iterator)


def test_random_results_are_those_of_the_seed_for_any_number_of_threads() -> None:
    def noisy(x: us.Tensor, generator: us.Generator) -> us.Tensor:
        return x + us.rand(3, generator=generator)

    def run(workers: int, seed: int) -> list[Any]:
        us.manual_seed(seed)
        batches = list(us.zeros(6, 3))
        return [y.tolist() for y in Prefetcher(batches, noisy, workers=workers, seeded=True)]

    assert run(1, 0) == run(3, 0)
    assert run(1, 0) != run(1, 1)
    us.manual_seed(0)
    prefetcher = Prefetcher(list(us.zeros(2, 3)), noisy, seeded=True)
    assert [y.tolist() for y in prefetcher] != [y.tolist() for y in prefetcher]  # each epoch has its own


def test_a_shuffling_loader_gives_the_same_batches_as_without() -> None:
    loader = DataLoader(TensorDataset(us.arange(20)), batch_size=4, shuffle=True)
    us.manual_seed(3)
    plain = [batch[0].tolist() for batch in loader]
    us.manual_seed(3)
    assert [batch[0].tolist() for batch in Prefetcher(loader)] == plain


@pytest.mark.parametrize(
    "options", [{"ahead": 0}, {"workers": 0}, {"seeded": True}], ids=["ahead", "workers", "seeded"]
)
def test_bad_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Prefetcher([1], **options)


@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt", "import sys; sys.exit(0)"])
def test_the_interpreter_ends_cleanly_in_the_middle_of_an_iteration(end: str) -> None:
    script = (
        "import unspool as us\n"
        "from unspool.train import Prefetcher\n"
        "x = us.rand(200, 200)\n"
        "iterator = iter(Prefetcher(iter(range(10**9)), lambda i: x @ x, workers=2))\n"
        f"next(iterator)\n{end}\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode in ((0,) if "raise" not in end else (1, 130, -2))
    assert "terminate" not in run.stderr
    assert "Fatal" not in run.stderr
