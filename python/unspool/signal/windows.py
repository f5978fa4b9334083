"""Window functions: tensors of shape (M,) that rise and fall, for cutting pieces out of signals.

Each takes ``sym``: True for a symmetric window, False for one that continues periodically (that of M + 1
without its last element); and ``dtype``, ``device``, ``layout`` and ``requires_grad``. M = 0 gives an empty
tensor, M = 1 a single 1. Computed in float64 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from unspool import _core
from unspool._core import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]

Array = np.ndarray[Any, np.dtype[np.float64]]


def _window(
    who: str,
    M: int,
    sym: bool,
    values: Callable[[Array, int], Array],
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make the window whose element n is ``values(n, N)``, where the period is N."""
    del layout
    if M < 0:
        raise ValueError(f"{who}: the length must not be negative, got {M}")
    _core._check_device(device)
    kind = dtype or _core.get_default_dtype()
    if kind not in (_core.float32, _core.float64):
        raise ValueError(f"{who}: the dtype must be float32 or float64, got {kind}")
    if M < 2:
        numbers = np.ones(M)
    else:
        numbers = values(np.arange(M, dtype=np.float64), M - 1 if sym else M)
    return _core.from_numpy(np.ascontiguousarray(numbers)).to(kind).requires_grad_(requires_grad)


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """Give the sum over k of (-1)^k a[k] cos(2 pi k n / N)."""
    weights = [float(each) for each in a]
    if not weights:
        raise ValueError("general_cosine: a must not be empty")

    def values(n: Array, period: int) -> Array:
        total = np.zeros_like(n)
        for k, weight in enumerate(weights):
            total += (-1) ** k * weight * np.cos(2 * math.pi * k * n / period)
        return total

    return _window("general_cosine", M, sym, values, **options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """Give alpha - (1 - alpha) cos(2 pi n / N)."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Give 0.54 - 0.46 cos(2 pi n / N)."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Give 0.5 - 0.5 cos(2 pi n / N), which is 0 at the edges."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Give 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Give the four-term cosine window with the lowest side lobes (Nuttall)."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Give the triangle 1 - |2 n / N - 1|, which is 0 at the edges."""
    return _window("bartlett", M, sym, lambda n, period: 1 - np.abs(2 * n / period - 1), **options)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Give sin(pi (n + 0.5) / (N + 1))."""
    return _window("cosine", M, sym, lambda n, period: np.sin(math.pi * (n + 0.5) / (period + 1)), **options)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any
) -> Tensor:
    """Give exp(-|n - center| / tau); the center, N / 2 by default, can be chosen where sym is False."""
    if tau <= 0:
        raise ValueError(f"exponential: tau must be positive, got {tau}")
    if sym and center is not None:
        raise ValueError("exponential: a symmetric window has its center in the middle; leave center out")

    def values(n: Array, period: int) -> Array:
        middle = period / 2 if center is None else center
        return np.exp(-np.abs(n - middle) / tau)

    return _window("exponential", M, sym, values, **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """Give exp(-(n - N / 2)^2 / (2 std^2))."""
    if std <= 0:
        raise ValueError(f"gaussian: std must be positive, got {std}")
    return _window(
        "gaussian", M, sym, lambda n, period: np.exp(-0.5 * ((n - period / 2) / std) ** 2), **options
    )


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """Give I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta)."""
    if beta < 0:
        raise ValueError(f"kaiser: beta must not be negative, got {beta}")

    def values(n: Array, period: int) -> Array:
        inside = np.sqrt(np.maximum(0, 1 - (2 * n / period - 1) ** 2))
        return np.asarray(np.i0(beta * inside) / np.i0(beta))

    return _window("kaiser", M, sym, values, **options)
