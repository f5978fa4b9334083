"""Window functions for signals, under the older names; ``signal.windows`` has them all."""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor
from unspool.signal import windows

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """Give sin^2(pi n / N), shape (window_length,); N is its length if periodic, else one less."""
    return windows.hann(window_length, sym=not periodic, **options)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any
) -> Tensor:
    """Give alpha - beta cos(2 pi n / N), shape (window_length,)."""
    return windows.general_cosine(window_length, a=[alpha, beta], sym=not periodic, **options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """Give 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N), shape (window_length,)."""
    return windows.blackman(window_length, sym=not periodic, **options)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """Give the triangle 1 - |2 n / N - 1|, shape (window_length,)."""
    return windows.bartlett(window_length, sym=not periodic, **options)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Tensor:
    """Give I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta), shape (window_length,)."""
    return windows.kaiser(window_length, beta=beta, sym=not periodic, **options)
