"""``unspool.nn.attention``: the names by which scripts choose how attention is computed.

There is one way to compute it here, so that the choice is accepted and changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.Enum):
    """Ways of computing scaled_dot_product_attention that PyTorch knows."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """Accepts a choice of backends, without effect on how attention is computed.

    Args:
        backends: one or several.
        set_priority: accepted.

    Raises:
        TypeError: something else than backends.
    """
    del set_priority
    chosen = [backends] if isinstance(backends, SDPBackend) else list(backends)
    if not all(isinstance(backend, SDPBackend) for backend in chosen):
        raise TypeError(f"sdpa_kernel: backends must be SDPBackend or a list of them, got {backends!r}")
    yield
