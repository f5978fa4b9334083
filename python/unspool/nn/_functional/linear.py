"""Products that are short expressions in other operations."""

from __future__ import annotations

import unspool
from unspool._arguments import require_one_dtype
from unspool._core import Tensor


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[..., k] = sum over i, j of x1[..., i] weight[k, i, j] x2[..., j], plus bias.

    Args:
        input1: shape (*, H1).
        input2: shape (*, H2), the leading dimensions those of ``input1``.
        weight: shape (K, H1, H2).
        bias: shape (K,), or None.

    Returns:
        Shape (*, K).

    Raises:
        RuntimeError: shapes that do not go together.
    """
    require_one_dtype("bilinear", input1=input1, input2=input2, weight=weight)
    fits = (
        weight.dim() == 3
        and input1.dim() == input2.dim() >= 1
        and tuple(input1.shape)[:-1] == tuple(input2.shape)[:-1]
        and (input1.shape[-1], input2.shape[-1]) == tuple(weight.shape)[1:]
    )
    if not fits:
        raise RuntimeError(
            f"bilinear: shapes do not go together: input1 {tuple(input1.shape)}, input2 "
            f"{tuple(input2.shape)}, weight "
            f"{tuple(weight.shape)}; expected (*, H1), (*, H2) and (K, H1, H2)"
        )
    result = unspool.einsum("...i,kij,...j->...k", input1, weight, input2)
    return result if bias is None else result + bias
