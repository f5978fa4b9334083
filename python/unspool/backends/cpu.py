"""The processor."""

from __future__ import annotations

from unspool import _core

# What PyTorch calls the levels; packages choose their own ways by these names.
_NAMES = {"x86-64-v3": "AVX2", "x86-64-v4": "AVX512"}


def get_cpu_capability() -> str:
    """Name the instruction set of the kernels in use as PyTorch does: "AVX512", "AVX2" or "DEFAULT"."""
    return _NAMES.get(str(_core._configuration()["isa_level"]), "DEFAULT")
