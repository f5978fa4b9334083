"""Orthogonal polynomials by their recurrences (https://dlmf.nist.gov/18.9).

They are compositions, so that all derivatives by ``input`` follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool import _core
from unspool._core import Tensor, ops
from unspool._dtypes import result_type
from unspool._functions.basic import broadcast_shapes
from unspool._functions.out import with_out

__all__ = [
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
]

# A degree takes a second or so per hundred thousand, however few the elements.
_HIGHEST = 100_000

# The polynomial of degree k + 1 from x, those of degree k and k - 1, and k.
_Following = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def _polynomial(
    name: str,
    doc: str,
    first: Callable[[Tensor], Tensor],
    following: _Following = lambda x, p, before, _: 2 * x * p - before,
    shifted: bool = False,
) -> Callable[[Any, Any], Tensor]:
    def function(input: Tensor | float, n: Tensor | float) -> Tensor:
        if not isinstance(input, Tensor) and not isinstance(n, Tensor):
            raise TypeError(f"{name}(): input or n must be a Tensor, not {type(input).__name__} and "
                            f"{type(n).__name__}")  # fmt: skip
        highest = n if not isinstance(n, Tensor) else n.detach().max().item() if n.numel() else 0
        if highest > _HIGHEST:
            raise NotImplementedError(
                f"{name}(): degree {highest} is not supported; the recurrence is followed up to {_HIGHEST}"
            )
        x = input if isinstance(input, Tensor) else _core.full((), input, dtype=_core.get_default_dtype())
        dtype = result_type(input, n)
        x = x.to(dtype if dtype.is_floating_point else _core.get_default_dtype())
        x = 2 * x - 1 if shifted else x
        before, p = _core.ones_like(x), first(x)
        if not isinstance(n, Tensor):
            for k in range(1, int(n) + 1):
                before, p = p, following(x, p, before, k)
            return before if n > -1 else _core.zeros_like(x)
        degrees = n.detach().to(_core.int64)
        result = _core.zeros(broadcast_shapes(tuple(x.shape), tuple(n.shape)), dtype=x.dtype)
        for k in range(int(degrees.max()) + 1 if degrees.numel() else 0):
            result = ops.where(ops.eq(degrees, k), before, result)
            before, p = p, following(x, p, before, k + 1)
        return result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{doc}; 0 for negative degrees.

    Args:
        input: where, a tensor or a number; integers are taken as numbers of the default dtype.
        n: the degrees, a number or a tensor that broadcasts with ``input``, at most 100,000; fractions are
            cut off.

    Raises:
        NotImplementedError: a higher degree.
    """
    return with_out(function)


def _chebyshev(kind: str, first: Callable[[Tensor], Tensor], shifted: bool) -> Callable[[Any, Any], Tensor]:
    name = f"{'shifted_' if shifted else ''}chebyshev_polynomial_{kind}"
    at = "2 input - 1" if shifted else "input"
    return _polynomial(name, f"Chebyshev polynomial {kind.upper()}_n({at})", first, shifted=shifted)


chebyshev_polynomial_t = _chebyshev("t", lambda x: x, False)
chebyshev_polynomial_u = _chebyshev("u", lambda x: 2 * x, False)
chebyshev_polynomial_v = _chebyshev("v", lambda x: 2 * x - 1, False)
chebyshev_polynomial_w = _chebyshev("w", lambda x: 2 * x + 1, False)
shifted_chebyshev_polynomial_t = _chebyshev("t", lambda x: x, True)
shifted_chebyshev_polynomial_u = _chebyshev("u", lambda x: 2 * x, True)
shifted_chebyshev_polynomial_v = _chebyshev("v", lambda x: 2 * x - 1, True)
shifted_chebyshev_polynomial_w = _chebyshev("w", lambda x: 2 * x + 1, True)
hermite_polynomial_h = _polynomial(
    "hermite_polynomial_h",
    "Physicists' Hermite polynomial H_n(input)",
    lambda x: 2 * x,
    lambda x, p, before, k: 2 * x * p - 2 * k * before,
)
hermite_polynomial_he = _polynomial(
    "hermite_polynomial_he",
    "Probabilists' Hermite polynomial He_n(input)",
    lambda x: x,
    lambda x, p, before, k: x * p - k * before,
)
laguerre_polynomial_l = _polynomial(
    "laguerre_polynomial_l",
    "Laguerre polynomial L_n(input)",
    lambda x: 1 - x,
    lambda x, p, before, k: ((2 * k + 1 - x) * p - k * before) / (k + 1),
)
legendre_polynomial_p = _polynomial(
    "legendre_polynomial_p",
    "Legendre polynomial P_n(input)",
    lambda x: x,
    lambda x, p, before, k: ((2 * k + 1) * x * p - k * before) / (k + 1),
)
