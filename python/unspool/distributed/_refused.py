"""Classes and functions that only work between processes: the names are there, and using one raises."""

from __future__ import annotations

from functools import partial

from unspool import _refused

__all__ = ["refused_class", "refused_function"]

_WHY = ", which trains in one process and has no process groups"

refused_class = partial(_refused.refused_class, why=_WHY)
refused_function = partial(_refused.refused_function, why=_WHY)
