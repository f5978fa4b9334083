"""Switches of CUDA: they can be set and read, and change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False,
    fp32_precision="none",
)

_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Give False."""
    return False


def flash_sdp_enabled() -> bool:
    """Give what was set last."""
    return _attention["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Accept either."""
    _attention["flash"] = enabled


def mem_efficient_sdp_enabled() -> bool:
    """Give what was set last."""
    return _attention["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Accept either."""
    _attention["mem_efficient"] = enabled


def math_sdp_enabled() -> bool:
    """Give what was set last."""
    return _attention["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Accept either."""
    _attention["math"] = enabled


@contextlib.contextmanager
def sdp_kernel(*_args: Any, **_kwargs: Any) -> Iterator[None]:
    """Accept a choice of attention kernels: there is one."""
    yield
