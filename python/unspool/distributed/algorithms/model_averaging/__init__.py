"""Averages of modules over processes: the module is there, and using what is in it raises."""

from __future__ import annotations

from unspool.distributed.algorithms.model_averaging import averagers

__all__ = ["averagers"]
