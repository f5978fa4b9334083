"""The loader: batches, workers of both kinds, errors that reach the caller, and processes that end."""

from __future__ import annotations

import collections
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_data_sets import RECORDED, Counting

import unspool as us
from unspool.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WorkerInfo,
    _in_memory,
    default_collate,
    default_convert,
    get_worker_info,
)

Pair = collections.namedtuple("Pair", "a b")
WORKERS: list[dict[str, Any]] = [
    {},
    {"num_workers": 2},
    {"num_workers": 3, "persistent_workers": True, "prefetch_factor": 1},
    {"num_workers": 2, "worker_method": "thread"},
]


class Squares(Dataset[Any]):
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return {"x": us.full((3, 2), float(index * index)), "name": f"n{index}", "pair": Pair(index, 0.5)}


class Failing(Squares):
    def __getitem__(self, index: int) -> Any:
        if index == 3:
            raise KeyError(f"nothing at {index}")
        return index


class Dying(Squares):
    def __getitem__(self, index: int) -> Any:
        os._exit(7)


class Sleeping(Squares):
    def __getitem__(self, index: int) -> Any:
        time.sleep(60)


class Drawing(Squares):
    def __getitem__(self, index: int) -> Any:
        import random

        info = get_worker_info()
        assert info is not None
        numbers = [info.seed, np.random.randint(1 << 30), random.randrange(1 << 30)]
        return [int(number) for number in numbers] + us.randint(1 << 30, (2,)).tolist()[:1]


class Shards(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        begin, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(begin, 11, step))


class NeedsTwo(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


class Particular(Squares):
    def __getitem__(self, index: int) -> Any:
        raise NeedsTwo(1, 2)


def shape_of(batch: Any) -> Any:
    return list(batch["x"].shape), batch["name"], batch["pair"].a.tolist(), batch["pair"].b.dtype


# ---- batches ----


@pytest.mark.parametrize("workers", WORKERS)
def test_batches_come_in_order_whoever_makes_them(workers: dict[str, Any]) -> None:
    loader = DataLoader(Squares(11), batch_size=4, **workers)
    assert len(loader) == 3
    for _ in range(2):
        batches = list(loader)
        assert [shape_of(batch) for batch in batches] == [
            ([len(part), 3, 2], [f"n{i}" for i in part], part, us.float64)
            for part in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10])
        ]
        assert batches[2]["x"][2].tolist() == [[100.0, 100.0]] * 3


@pytest.mark.parametrize("workers", WORKERS)
def test_samples_come_one_by_one_without_batching(workers: dict[str, Any]) -> None:
    loader = DataLoader([1, np.float32(2), "x"], batch_size=None, **workers)  # type: ignore[arg-type]
    first, second, third = loader
    assert (first, second.item(), third) == (1, 2.0, "x")
    assert second.dtype is us.float32


@pytest.mark.parametrize("workers", WORKERS)
def test_iterable_data_sets_are_read_to_their_end(workers: dict[str, Any]) -> None:
    loader = DataLoader(Shards(), batch_size=2, **workers)
    for _ in range(2):
        assert sorted(x for batch in loader for x in batch.tolist()) == list(range(11))
    dropped = DataLoader(Shards(), batch_size=2, drop_last=True, **workers)
    assert all(len(batch) == 2 for batch in dropped)
    assert len(DataLoader(Counting(0, 7), batch_size=2)) == 4
    assert len(DataLoader(Counting(0, 7), batch_size=2, drop_last=True)) == 3


def test_with_batch_sampler_of_the_user() -> None:
    class Backwards(BatchSampler):
        def __init__(self, length: int) -> None:
            self.length = length

        def __iter__(self) -> Iterator[list[int]]:
            return iter([[i, 0] for i in reversed(range(self.length))])

        def __len__(self) -> int:
            return self.length

    for data in (list(range(3)), TensorDataset(us.arange(3))):
        loader = DataLoader(data, batch_sampler=Backwards(3))  # type: ignore[arg-type]
        assert len(loader) == 3
        batches = [each[0] if isinstance(each, list) else each for each in loader]
        assert [batch.tolist() for batch in batches] == [[2, 0], [1, 0], [0, 0]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_start_by_any_method(method: str) -> None:
    loader = DataLoader(Squares(3), batch_size=2, num_workers=1, multiprocessing_context=method)
    assert [batch["name"] for batch in loader] == [["n0", "n1"], ["n2"]]


def test_workers_draw_the_numbers_that_torch_s_draw() -> None:
    us.manual_seed(7)
    drawn = [list(sample) for sample in DataLoader(Drawing(4), batch_size=None, num_workers=2)]
    assert drawn == RECORDED["numbers drawn in workers"]


def test_a_worker_knows_who_it_is() -> None:
    assert get_worker_info() is None
    seen: list[WorkerInfo | None] = []
    loader = DataLoader(
        list(range(4)),  # type: ignore[arg-type]
        num_workers=2,
        worker_method="thread",
        worker_init_fn=lambda number: seen.append(get_worker_info()),
    )
    list(loader)
    infos = sorted((info.id, info.num_workers, info.worker_method) for info in seen if info)
    assert infos == [(0, 2, "thread"), (1, 2, "thread")]


# ---- tensors in memory ----


def gathers_of(data: Any, **settings: Any) -> bool:
    return _in_memory.of(DataLoader(data, **settings)) is not None


def test_which_loaders_gather() -> None:
    data = TensorDataset(us.arange(12.0).reshape(6, 2), us.arange(6))
    assert gathers_of(data)
    assert gathers_of(Subset(data, [1, -1]))
    assert not gathers_of(Subset(data, [9]))
    assert not gathers_of(data, collate_fn=list)
    assert not gathers_of(data, batch_size=None)
    assert not gathers_of(data, num_workers=1, worker_init_fn=print)
    assert not gathers_of(data, num_workers=1, multiprocessing_context="fork")
    assert not gathers_of(list(range(3)))

    class Augmented(TensorDataset):
        pass

    assert not gathers_of(Augmented(us.ones(2)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": 4, "shuffle": True},
        {"batch_size": 4, "sampler": [5, -1, 0]},
        {"batch_sampler": [[1], [2, -3], []]},
    ],
)
def test_a_gather_gives_what_stacking_samples_gives(
    settings: dict[str, Any], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_in_memory, "_WORTH_A_THREAD", 0)
    data = TensorDataset(us.arange(20.0).reshape(10, 2), us.arange(10))
    if settings.get("batch_sampler"):
        settings = {"batch_sampler": settings["batch_sampler"][:2]}

    def batches(**more: Any) -> Any:
        us.manual_seed(1)
        loader = DataLoader(data, num_workers=workers, **settings, **more)
        return [[part.tolist() for part in batch] for batch in loader]

    assert batches() == batches(collate_fn=lambda samples: default_collate(samples))


def test_a_batch_is_a_copy_and_carries_gradients() -> None:
    x = us.arange(4.0)
    ((batch,),) = DataLoader(TensorDataset(x), batch_size=4)
    batch.zero_()
    assert x.tolist() == [0, 1, 2, 3]
    w = us.ones(4, requires_grad=True)
    ((batch,),) = DataLoader(TensorDataset(w), batch_size=4, shuffle=True)
    batch.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1, 1, 1, 1]


def test_an_index_out_of_range_is_named() -> None:
    with pytest.raises(IndexError):
        list(DataLoader(TensorDataset(us.ones(3)), sampler=[5]))


# ---- collation ----


def test_samples_are_collated_member_by_member() -> None:
    collated = default_collate([(1, 2.0, "a", {"k": np.ones(2)}), (3, 4.0, "b", {"k": np.zeros(2)})])
    assert isinstance(collated, list)
    assert collated[0].tolist() == [1, 3]
    assert collated[1].dtype is us.float64
    assert collated[2] == ("a", "b")
    assert collated[3]["k"].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    pair = default_collate([Pair(1, 2), Pair(3, 4)])
    assert isinstance(pair, Pair)
    assert pair.b.tolist() == [2, 4]
    assert default_collate([np.float32(1), np.float32(2)]).dtype is us.float32
    assert default_collate([True, False]).dtype is us.bool
    assert default_collate([[1, 2], [3, 4]])[1].tolist() == [2, 4]


def test_what_cannot_be_collated_is_named() -> None:
    with pytest.raises(TypeError, match="found NoneType"):
        default_collate([None])
    with pytest.raises(TypeError, match="found ndarray"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match="differ in length"):
        default_collate([[1], [1, 2]])


def test_default_convert_leaves_what_it_does_not_know() -> None:
    converted = default_convert({"a": np.ones(2), "b": [1, "x", np.int32(3)], "c": Pair(np.zeros(1), None)})
    assert converted["a"].dtype is us.float64
    assert converted["b"][:2] == [1, "x"]
    assert converted["b"][2].dtype is us.int32
    assert converted["c"].b is None


# ---- what goes wrong ----


@pytest.mark.parametrize("workers", [WORKERS[1], WORKERS[3]])
def test_an_exception_in_a_worker_arrives_with_its_traceback(workers: dict[str, Any]) -> None:
    loader = iter(DataLoader(Failing(6), batch_size=2, **workers))
    assert next(loader).tolist() == [0, 1]
    with pytest.raises(KeyError, match=r"(?s)Caught KeyError in .* worker.*__getitem__.*nothing at 3"):
        next(loader)
    assert next(loader).tolist() == [4, 5]


def test_an_exception_that_cannot_be_made_again_becomes_a_runtime_error() -> None:
    with pytest.raises(RuntimeError, match="Caught NeedsTwo in DataLoader worker process 0"):
        next(iter(DataLoader(Particular(2), num_workers=1)))


def test_a_failing_worker_init_fn_is_reported() -> None:
    def broken(number: int) -> None:
        raise OSError(f"no disk for {number}")

    with pytest.raises(OSError, match="no disk for 0"):
        next(iter(DataLoader(Squares(2), num_workers=1, worker_init_fn=broken)))


def test_a_batch_that_cannot_be_sent_is_reported() -> None:
    with pytest.raises(Exception, match=r"(?s)Caught .* in DataLoader worker process 0.*pickle"):
        next(iter(DataLoader(Squares(2), num_workers=1, collate_fn=lambda samples: threading.Lock())))


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(RuntimeError, match=r"worker \(pid \d+\) exited unexpectedly with exit code 7"):
        next(iter(DataLoader(Dying(2), num_workers=1)))


@pytest.mark.parametrize("method", ["multiprocessing", "thread"])
def test_a_worker_may_take_only_so_long(method: str) -> None:
    loader = DataLoader(Sleeping(2), num_workers=1, timeout=0.1, worker_method=method)
    batches = iter(loader)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.1 seconds"):
        next(batches)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_workers": -1}, "num_workers"),
        ({"timeout": -1}, "timeout"),
        ({"prefetch_factor": 2}, "prefetch_factor needs workers"),
        ({"persistent_workers": True}, "persistent_workers needs workers"),
        ({"batch_size": None, "drop_last": True}, "excludes drop_last"),
        ({"sampler": [0], "shuffle": True}, "exclude each other"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler excludes"),
        ({"batch_size": 0}, "batch_size must be a positive integer"),
        ({"multiprocessing_context": "fork"}, "needs workers"),
        ({"num_workers": 1, "multiprocessing_context": "spoon"}, "must be one of"),
        ({"worker_method": "fibre"}, "worker_method"),
    ],
)
def test_options_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataLoader([1], **settings)  # type: ignore[arg-type]
    for more in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ValueError, match="IterableDataset"):
            DataLoader(Counting(0, 2), **more)  # type: ignore[arg-type]


def test_a_loader_keeps_its_batch_size() -> None:
    loader = DataLoader([1], pin_memory=True, pin_memory_device="cuda", in_order=False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size cannot be changed"):
        loader.batch_size = 3


# ---- no process stays behind ----


def test_an_abandoned_iteration_ends_its_workers() -> None:
    before = set(multiprocessing.active_children())
    iterator = iter(DataLoader(Squares(100), num_workers=2))
    next(iterator)
    assert len(set(multiprocessing.active_children()) - before) == 2
    del iterator
    assert set(multiprocessing.active_children()) <= before


SCRIPT = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
from unspool.utils.data import DataLoader
class Slow:
    def __len__(self): return 1000
    def __getitem__(self, index):
        time.sleep(0.01)
        return os.getpid()
for batch in DataLoader(Slow(), num_workers=2, batch_size=2):
    print(*batch.tolist(), flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_after_the_end_of_the_caller(
    how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        workers = {int(word) for _ in range(2) for word in process.stdout.readline().split()}
        assert len(workers) == 2
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: all of them get it
        else:
            process.kill()
        errors = process.communicate(timeout=60)[1]
    deadline = time.monotonic() + 30
    while any(is_running(each) for each in workers):
        assert time.monotonic() < deadline, "workers outlived their parent"
        time.sleep(0.05)
    if how is signal.SIGINT:
        assert errors.count("KeyboardInterrupt") == 1


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class _WholeBatches(DataLoader[Any]):
    """A loader as in torchtuples, whose data set is given the list of indices of a batch."""

    def __iter__(self) -> Any:
        self._reading = True
        self.collate_fn = lambda batch: batch
        return super().__iter__()

    @property
    def _auto_collation(self) -> bool:
        return not hasattr(self, "_reading") and super()._auto_collation

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if super()._auto_collation else self.sampler


class _Rows(Dataset[Any]):
    """Samples that are read by a list of indices."""

    def __getitem__(self, indices: Any) -> Any:
        assert isinstance(indices, list)
        return us.arange(10)[indices] * 2

    def __len__(self) -> int:
        return 10


@pytest.mark.parametrize("workers", [0, 2])
def test_a_derived_loader_asks_the_data_set_for_whole_batches(workers: int) -> None:
    loader = _WholeBatches(_Rows(), batch_size=4, num_workers=workers, worker_method="thread")
    assert [batch.tolist() for batch in loader] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]
    assert len(loader) == 3


def test_a_derived_loader_over_tensors_asks_for_whole_batches_too() -> None:
    loader = _WholeBatches(TensorDataset(us.arange(5)), batch_size=2)
    assert [batch[0].tolist() for batch in loader] == [[0, 1], [2, 3], [4]]
