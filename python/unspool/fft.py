"""Fourier transforms need complex numbers: names can be imported, and raise NotImplementedError when called.

What is real is there: frequencies, and the shifts of their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import unspool
from unspool._core import Tensor
from unspool._core import dtype as Dtype
from unspool._lazy import lazy as _on_demand
from unspool._lazy import unsupported

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]

_TRANSFORMS = [
    "fft",
    "fft2",
    "fftn",
    "ifft",
    "ifft2",
    "ifftn",
    "rfft",
    "rfft2",
    "rfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "hfft",
    "hfft2",
    "hfftn",
    "ihfft",
    "ihfft2",
    "ihfftn",
]


def fftfreq(n: int, d: float = 1.0, *, dtype: Dtype | None = None, **options: Any) -> Tensor:
    """Give the frequencies of a transform of ``n`` samples: 0, 1, ..., then the negative, over ``n * d``.

    Args:
        n: how many samples.
        d: time from one sample to the next.
        dtype: of the result, shape (n,); the default dtype.
        options: of ``tensor``: ``device``, ``requires_grad``.
    """
    places = [*range((n + 1) // 2), *range(-(n // 2), 0)]
    return unspool.tensor([each / (n * d) for each in places], dtype=_real(dtype), **options)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Dtype | None = None, **options: Any) -> Tensor:
    """Give the frequencies of a transform of ``n`` real samples: 0, 1, ..., n // 2, over ``n * d``.

    Args:
        n: how many samples.
        d: time from one sample to the next.
        dtype: of the result, shape (n // 2 + 1,); the default dtype.
        options: of ``tensor``: ``device``, ``requires_grad``.
    """
    return unspool.tensor([each / (n * d) for each in range(n // 2 + 1)], dtype=_real(dtype), **options)


def fftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Bring the frequency 0 from the start of the dimensions to their middle.

    Args:
        input: any tensor.
        dim: which dimensions; all of them by default.
    """
    return _shift(input, dim, lambda size: size // 2)


def ifftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Undo ``fftshift``.

    Args:
        input: any tensor.
        dim: which dimensions; all of them by default.
    """
    return _shift(input, dim, lambda size: (size + 1) // 2)


def _shift(input: Tensor, dim: int | Sequence[int] | None, amount: Callable[[int], int]) -> Tensor:
    if dim is None:
        dim = range(input.ndim)
    dims = [dim] if isinstance(dim, int) else list(dim)
    return unspool.roll(input, [amount(input.shape[each]) for each in dims], dims) if dims else input.clone()


def _real(dtype: Dtype | None) -> Dtype:
    return unspool.get_default_dtype() if dtype is None else dtype


def _refusing(name: str) -> Callable[..., NoReturn]:
    def function(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotImplementedError(unsupported(f"torch.fft.{name}"))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises NotImplementedError."
    return function


for _name in _TRANSFORMS:
    globals()[_name] = _refusing(_name)

__getattr__ = _on_demand(__name__)
