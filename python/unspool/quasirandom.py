"""Points that fill a cube more evenly than random ones; needs ``pip install unspool[quasirandom]``: SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from unspool import _core
from unspool._core import Generator, Tensor

__all__ = ["SobolEngine"]

_BITS = 30


class SobolEngine:
    """Sobol points in [0, 1)^dimension, the same ones as PyTorch's.

    The direction numbers are those of Joe and Kuo (2008), which SciPy holds. With ``scramble`` each
    coordinate's binary digits are mixed by a random triangular matrix and shifted (Matousek 1998): as even as
    before, but with a different set of points for each seed.

    Args:
        dimension: of the cube, from 1 to 21201.
        scramble: whether to randomize the points.
        seed: of the randomization; the default generator is used if None.

    Raises:
        ValueError: there are no direction numbers for the dimension.
        ImportError: SciPy is not installed.
    """

    MAXBIT = _BITS
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(f"SobolEngine: dimension must be from 1 to {self.MAXDIM}, got {dimension}")
        self.dimension = dimension
        self.scramble = scramble
        self.seed = seed
        self._sequence = _sequence(dimension)
        self.num_generated = 0
        self._mixing: Any = None
        self._shift: Any = None
        if scramble:
            self._randomize()

    def _randomize(self) -> None:
        generator = None if self.seed is None else Generator().manual_seed(self.seed)
        digits = _core.randint(0, 2, (self.dimension, _BITS), generator=generator).numpy()
        self._shift = digits @ (1 << np.arange(_BITS))
        matrices = _core.randint(0, 2, (self.dimension, _BITS, _BITS), generator=generator).numpy()
        matrices = np.tril(matrices, -1) + np.eye(_BITS, dtype=np.int64)
        # Each row as one number; its first column belongs to the most significant digit.
        self._mixing = matrices @ (1 << np.arange(_BITS)[::-1])

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """Give the next n points.

        Args:
            n: their number.
            out: a tensor to write them into.
            dtype: floating; the default dtype if None.

        Returns:
            shape (n, dimension).

        Raises:
            RuntimeError: n is negative.
        """
        if n < 0:
            raise RuntimeError(f"SobolEngine.draw: n must not be negative, got {n}")
        # The first point alone, because SciPy warns where a first piece is no power of 2.
        pieces = [1, n - 1] if n and not self.num_generated else [n]
        points = np.concatenate([self._sequence.random(piece) for piece in pieces])
        numbers = np.rint(points * 2.0**_BITS).astype(np.int64)
        if self.scramble:
            mixed = np.zeros_like(numbers)
            for digit in range(_BITS):
                is_odd = _parity(numbers & self._mixing[:, digit])
                mixed |= is_odd << (_BITS - 1 - digit)
            numbers = mixed ^ self._shift
        self.num_generated += n
        drawn = _core.from_numpy(numbers).to(dtype or _core.get_default_dtype()) * 2.0**-_BITS
        return drawn if out is None else out.copy_(drawn)

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """Give the next 2^m points, after which 2^k must have been drawn in all: only then they are balanced.

        Raises:
            ValueError: the total would be no power of 2.
        """
        n = 2**m if m >= 0 else 0
        total = self.num_generated + n
        if n == 0 or total & (total - 1):
            raise ValueError(
                f"SobolEngine.draw_base2: after {self.num_generated} points 2^{m} more make no power of 2; "
                "use draw()"
            )
        return self.draw(n, out, dtype)

    def reset(self) -> SobolEngine:
        """Start again from the first point."""
        self._sequence.reset()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out the next n points."""
        if n < 0:
            raise RuntimeError(f"SobolEngine.fast_forward: n must not be negative, got {n}")
        self._sequence.fast_forward(n)
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        scramble = ", scramble=True" if self.scramble else ""
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f"SobolEngine(dimension={self.dimension}{scramble}{seed})"


def _sequence(dimension: int) -> Any:
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise ImportError("SobolEngine needs SciPy: pip install unspool[quasirandom]") from error
    return qmc.Sobol(dimension, scramble=False, bits=_BITS)


def _parity(numbers: Any) -> Any:
    """Whether the number of ones among the binary digits is odd."""
    for width in (16, 8, 4, 2, 1):
        numbers = numbers ^ (numbers >> width)
    return numbers & 1
