"""Exchanges between processes that gradients pass through: the names are there, and calling one raises."""

from __future__ import annotations

from unspool.distributed import all_gather, all_reduce, broadcast, gather, reduce, reduce_scatter, scatter

__all__ = ["all_gather", "all_reduce", "broadcast", "gather", "reduce", "reduce_scatter", "scatter"]
