"""The processor."""

from __future__ import annotations

from unspool import _core


def get_cpu_capability() -> str:
    """Name the instruction-set level of the kernels in use."""
    return str(_core._configuration()["isa_level"])
