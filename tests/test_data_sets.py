"""Data sets and samplers: what they hold, in which order, and the random stream they take it from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unspool as us
from unspool.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

RECORDED: Any = json.loads((Path(__file__).parent / "data" / "loader_stream.json").read_text())


class Counting(IterableDataset[int]):
    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.end = begin, end

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.begin, self.end))

    def __len__(self) -> int:
        return self.end - self.begin


def then(generator: us.Generator | None = None) -> list[int]:
    return us.randint(1 << 30, (2,), generator=generator).tolist()


# ---- the same order, and the same place in the stream afterwards, as PyTorch ----


def samplers_of(name: str) -> dict[str, Any]:
    made: dict[str, Callable[[], Any]] = {
        "replacement": lambda: RandomSampler(range(10), True, 70),
        "more than a permutation": lambda: RandomSampler(range(10), num_samples=23),
    }
    if name in made:
        return {"sampler": made[name]()}
    workers = {"num_workers": 2, "persistent_workers": name.startswith("persistent")}
    return {
        "shuffle": name != "sequential",
        "drop_last": name.endswith("drop_last"),
        **(workers if name.endswith("workers") else {}),
    }


@pytest.mark.parametrize("kind", ["list", "TensorDataset", "Subset"])
@pytest.mark.parametrize("name", RECORDED["loader"])
def test_a_loader_gives_the_batches_of_torch(name: str, kind: str) -> None:
    recorded = RECORDED["loader"][name]
    tensors = TensorDataset(us.arange(20))
    sets: dict[str, Any] = {
        "list": list(range(10)),
        "TensorDataset": TensorDataset(us.arange(10)),
        "Subset": Subset(tensors, range(10)),
    }
    us.manual_seed(7)
    loader = DataLoader(sets[kind], batch_size=4, **samplers_of(name))
    batches = [list(loader) for _ in range(2)]
    if kind != "list":
        batches = [[batch for (batch,) in epoch] for epoch in batches]
    assert [[batch.tolist() for batch in epoch] for epoch in batches] == recorded["epochs"]
    assert then() == recorded["then"]


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_loader_with_a_generator_uses_that_one(in_memory: bool) -> None:
    recorded = RECORDED["loader with a generator"]
    generator = us.Generator().manual_seed(7)
    data: Any = TensorDataset(us.arange(10)) if in_memory else list(range(10))
    loader = DataLoader(data, batch_size=4, shuffle=True, generator=generator)
    epochs = [[(b[0] if in_memory else b).tolist() for b in loader] for _ in range(2)]
    assert epochs == recorded["epochs"]
    assert then(generator) == recorded["then"]


def test_random_split_splits_as_torch() -> None:
    us.manual_seed(7)
    parts = random_split(range(10), [0.5, 0.3, 0.2])  # type: ignore[arg-type]
    assert [list(part.indices) for part in parts] == RECORDED["random_split"]["parts"]
    assert then() == RECORDED["random_split"]["then"]


def test_a_subset_is_shuffled_as_by_torch() -> None:
    us.manual_seed(7)
    assert list(SubsetRandomSampler([3, 1, 4, 15, 9])) == RECORDED["SubsetRandomSampler"]["order"]
    assert then() == RECORDED["SubsetRandomSampler"]["then"]


def test_weights_are_drawn_as_by_torch() -> None:
    us.manual_seed(7)
    assert list(WeightedRandomSampler([1.0, 2.0, 0.0, 4.0], 12)) == RECORDED["WeightedRandomSampler"]["order"]
    assert then() == RECORDED["WeightedRandomSampler"]["then"]
    us.manual_seed(7)
    recorded = RECORDED["WeightedRandomSampler without replacement"]
    assert list(WeightedRandomSampler([1.0, 2.0, 3.0, 4.0], 4, False)) == recorded["order"]
    assert then() == recorded["then"]


def test_shares_of_several_processes_are_those_of_torch() -> None:
    settings: list[dict[str, Any]] = [{}] + [
        {"num_replicas": 3, "rank": rank, "drop_last": drop_last}
        for rank in range(3)
        for drop_last in (False, True)
    ]
    for setting, order in zip(settings, RECORDED["DistributedSampler"], strict=True):
        sampler = DistributedSampler(range(10), seed=5, **setting)
        sampler.set_epoch(2)
        assert list(sampler) == order
        assert len(sampler) == len(order)


# ---- data sets ----


def test_tensors_are_taken_row_by_row() -> None:
    data = TensorDataset(us.arange(6).reshape(3, 2), us.arange(3.0))
    assert len(data) == 3
    assert [each.tolist() for each in data[1]] == [[2, 3], 1.0]
    with pytest.raises(ValueError, match=r"TensorDataset.*\(2,\), \(3,\)"):
        TensorDataset(us.ones(2), us.ones(3))


def test_data_sets_can_be_joined_end_to_end() -> None:
    joined = Subset(list(range(4)), [3, 1]) + Subset(list(range(9)), [8])  # type: ignore[arg-type]
    assert isinstance(joined, ConcatDataset)
    assert [joined[i] for i in range(3)] == [3, 1, 8]
    assert joined[-1] == 8
    assert joined.cumulative_sizes == [2, 3]
    with pytest.raises(IndexError, match="index 3 is out of range for 3 samples"):
        joined[3]
    with pytest.raises(ValueError, match="index -4 is out of range"):
        joined[-4]
    with pytest.raises(ValueError, match="use ChainDataset"):
        ConcatDataset([Counting(0, 2)])
    chained = Counting(0, 2) + Counting(5, 7)
    assert isinstance(chained, ChainDataset)
    assert list(chained) == [0, 1, 5, 6]
    assert len(chained) == 4


def test_data_sets_can_be_stacked_side_by_side() -> None:
    assert StackDataset([1, 2], [3, 4])[1] == (2, 4)  # type: ignore[arg-type]
    named = StackDataset(a=[1, 2], b=Subset([3, 4], [1, 0]))  # type: ignore[arg-type]
    assert named[0] == {"a": 1, "b": 4}
    assert named.__getitems__([1, 0]) == [{"a": 2, "b": 3}, {"a": 1, "b": 4}]
    with pytest.raises(ValueError, match="differ in length"):
        StackDataset([1], [1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="by position or all by name"):
        StackDataset()


def test_a_split_must_use_every_sample() -> None:
    with pytest.raises(ValueError, match="sum to 3, but the data set has 10"):
        random_split(list(range(10)), [1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        random_split(list(range(10)), [1.5, -0.5])  # type: ignore[arg-type]
    assert [len(part) for part in random_split(range(11), [0.3, 0.3, 0.4])] == [4, 3, 4]  # type: ignore[arg-type]


def test_what_a_subclass_leaves_out_is_named() -> None:
    class Nothing(Dataset[int]):
        pass

    class Silent(Sampler[int]):
        pass

    with pytest.raises(NotImplementedError, match="Nothing does not implement __getitem__"):
        Nothing()[0]
    with pytest.raises(NotImplementedError, match="Silent does not implement __iter__"):
        iter(Silent())


# ---- samplers ----


def test_indices_are_grouped_into_batches() -> None:
    assert list(BatchSampler(SequentialSampler(range(5)), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    for drop_last in (False, True):
        sampler = BatchSampler(SequentialSampler(range(7)), 3, drop_last)
        assert len(sampler) == len(list(sampler))


@pytest.mark.parametrize(
    "call",
    [
        lambda: BatchSampler([1], 0, False),
        lambda: BatchSampler([1], True, False),
        lambda: BatchSampler([1], 1, 1),  # type: ignore[arg-type]
        lambda: RandomSampler([]),
        lambda: RandomSampler([1], num_samples=0),
        lambda: WeightedRandomSampler([1.0], 0),
        lambda: WeightedRandomSampler([1.0], 1, 1),  # type: ignore[arg-type]
        lambda: WeightedRandomSampler([[1.0]], 1),  # type: ignore[list-item]
        lambda: DistributedSampler([1], 2, 2),
    ],
)
def test_arguments_out_of_range_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must"):
        call()
    with pytest.raises(TypeError, match="replacement must be a bool"):
        RandomSampler([1], replacement=1)  # type: ignore[arg-type]


def test_without_replacement_every_index_comes_once() -> None:
    order = list(RandomSampler(range(100)))
    assert sorted(order) == list(range(100))
    assert order != sorted(order)
