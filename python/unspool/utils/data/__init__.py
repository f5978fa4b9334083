"""Data sets, samplers and the loader that turns them into batches."""

from __future__ import annotations

from unspool.utils.data import _utils as _utils
from unspool.utils.data import dataloader, dataset, distributed, sampler
from unspool.utils.data._collate import default_collate, default_convert
from unspool.utils.data._worker import WorkerInfo, get_worker_info
from unspool.utils.data.dataloader import DataLoader
from unspool.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from unspool.utils.data.distributed import DistributedSampler
from unspool.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "dataloader",
    "dataset",
    "default_collate",
    "default_convert",
    "distributed",
    "get_worker_info",
    "random_split",
    "sampler",
]
