"""Cholesky factors of random correlation matrices (Lewandowski, Kurowicka and Joe 2009)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Size, Tensor
from unspool.distributions import constraints
from unspool.distributions.beta import Beta
from unspool.distributions.distribution import Distribution

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Factors L of correlation matrices L Lᵀ whose density is proportional to their determinant^(c - 1).

    Args:
        dim: size of the matrices, 2 at least.
        concentration: c; 1 makes all correlation matrices equally likely, more favours the unit matrix.
        validate_args: check the arguments.
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support: ClassVar[Any] = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        self.concentration = (
            concentration if isinstance(concentration, Tensor) else unspool.tensor(float(concentration))
        )
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LKJCholesky, _instance)
        batch_shape = Size(batch_shape)
        new.dim = self.dim
        new.concentration = self.concentration.expand(batch_shape)
        super(LKJCholesky, new).__init__(batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws row by row: a direction, and the share of its length off the diagonal (the onion method)."""
        with unspool.no_grad():
            kind, n = self.concentration.dtype, self.dim
            order = unspool.arange(1, n, dtype=kind)
            shares = Beta(order / 2, self.concentration.unsqueeze(-1) + (n - 1 - order) / 2).sample(
                Size(sample_shape)
            )
            directions = unspool.randn(self._extended_shape(sample_shape), dtype=kind).tril(-1)[..., 1:, :]
            lengths = directions.norm(2, -1, keepdim=True)
            rows = directions / lengths * shares.sqrt().unsqueeze(-1)
            ones = unspool.ones(*rows.shape[:-2], 1, dtype=kind)
            diagonal = unspool.cat([ones, (1 - shares).clamp(min=unspool.finfo(kind).tiny).sqrt()], -1)
            first = unspool.zeros(*rows.shape[:-2], 1, n, dtype=kind)
            return unspool.cat([first, rows], -2) + unspool.diag_embed(diagonal)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n = self.dim
        logs = value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()
        order = unspool.arange(2, n + 1, dtype=value.dtype)
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + n - order
        alpha = self.concentration + (n - 1) / 2
        normalizer = (
            (n - 1) / 2 * math.log(math.pi)
            + unspool.mvlgamma(alpha - 0.5, n - 1)
            - (n - 1) * unspool.lgamma(alpha)
        )
        return (powers * logs).sum(-1) - normalizer
