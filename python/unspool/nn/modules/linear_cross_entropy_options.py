"""``LinearCrossEntropyOptions``: how PyTorch computes the softmax loss of a linear layer in pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import unspool

__all__ = ["LinearCrossEntropyOptions"]


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """Accepted by ``linear_cross_entropy``, which computes in one piece with the same values.

    Put the call into ``unspool.checkpoint`` to save memory.

    Args:
        allow_retain_graph: has no effect: the loss can be unwound and differentiated again in any case.
        batch_chunk_size: samples in a piece, a positive number or None; has no effect.
        chunking_method: "auto", "aspect_ratio:N" or None; has no effect.
        acc_policy: "accurate", "balanced", "compact" or "auto"; has no effect.
        acc_dtype: a floating point dtype or None; has no effect: narrow dtypes accumulate in float32.

    Raises:
        ValueError: a value that is not one of these.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        size: Any = self.batch_chunk_size
        method = self.chunking_method
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size}")
        if method not in (None, "auto") and not re.fullmatch(r"aspect_ratio:\d+", str(method)):
            raise ValueError(
                f"invalid chunking_method: {method!r}; expected 'auto', 'aspect_ratio:N' or None"
            )
        if self.acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(
                f"invalid acc_policy: {self.acc_policy!r}; expected 'accurate', 'balanced', 'compact' or "
                "'auto'"
            )
        floats = (None, unspool.float16, unspool.bfloat16, unspool.float32, unspool.float64)
        if self.acc_dtype not in floats:
            raise ValueError(f"acc_dtype must be a floating point dtype or None, got {self.acc_dtype}")
