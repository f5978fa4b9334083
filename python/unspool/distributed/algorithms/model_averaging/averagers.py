"""Averages of modules over processes: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class

__all__ = ["ModelAverager", "PeriodicModelAverager"]

ModelAverager = refused_class("torch.distributed.algorithms.model_averaging.averagers.ModelAverager")
PeriodicModelAverager = refused_class(
    "torch.distributed.algorithms.model_averaging.averagers.PeriodicModelAverager"
)
