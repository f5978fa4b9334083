"""A sampler that gives each of several processes its own share of the indices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

from unspool import _core
from unspool.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index, from ``rank`` on, of an order that all processes share.

    Args:
        dataset: of which only the length matters.
        num_replicas: the number of processes; 1 where it is None, as there are no process groups.
        rank: which of them this one is; 0 where it is None.
        shuffle: use a permutation that depends on ``seed`` and on the epoch (see ``set_epoch``).
        seed: the same in all processes.
        drop_last: cut the order to a multiple of ``num_replicas``; otherwise its start is repeated.

    Raises:
        ValueError: ``rank`` is not in [0, num_replicas).
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_replicas = 1 if num_replicas is None else num_replicas
        self.rank = 0 if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(
                f"DistributedSampler: rank must lie in [0, {self.num_replicas - 1}], got {self.rank}"
            )
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0
        size, replicas = len(dataset), self.num_replicas
        self.num_samples = size // replicas if drop_last else math.ceil(size / replicas)
        self.total_size = self.num_samples * replicas

    def __iter__(self) -> Iterator[int]:
        order = list(range(len(self.dataset)))
        if self.shuffle:
            generator = _core.Generator().manual_seed(self.seed + self.epoch)
            order = _core.randperm(len(order), generator=generator).tolist()
        if len(order) < self.total_size:
            order = (order * math.ceil(self.total_size / len(order)))[: self.total_size]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of an epoch: call it before each, or all epochs have the same order."""
        self.epoch = epoch
