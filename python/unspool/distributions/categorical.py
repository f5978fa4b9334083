"""The categorical distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import unspool
from unspool._core import Size, Tensor
from unspool.distributions import constraints
from unspool.distributions.distribution import Distribution
from unspool.distributions.utils import lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Categorical"]


def _draws(rows: Tensor, count: int) -> Tensor:
    """Indices (count, rows), drawn from the probabilities in each row in PyTorch's way."""
    if count == 1:
        # The first of exponential waiting times.
        return (rows / unspool.empty_like(rows).exponential_()).argmax(-1)
    u = unspool.rand(rows.shape[0], count, dtype=unspool.float64)
    below = rows.cumsum(-1).unsqueeze(-2) < u.unsqueeze(-1)
    return below.sum(-1).clamp(max=rows.shape[-1] - 1).t()


class Categorical(Distribution):
    """An index along the last dimension, with ``probs`` (made to sum to 1) or ``logits``."""

    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = logits if probs is None else probs
        if given.ndim < 1:
            name = "`logits`" if probs is None else "`probs`"
            raise ValueError(f"{name} parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
        self._param = self.logits if probs is None else self.probs
        self._num_events = self._param.shape[-1]
        super().__init__(self._param.shape[:-1], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Categorical, _instance)
        batch_shape = Size(batch_shape)
        for name in ("probs", "logits", "_param"):
            if name in self.__dict__:
                setattr(new, name, self.__dict__[name].expand(*batch_shape, self._num_events))
        new._num_events = self._num_events
        super(Categorical, new).__init__(batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self) -> Any:
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Any:
        return logits_to_probs(self.logits)

    @property
    def param_shape(self) -> Any:
        return self._param.shape

    @property
    def mean(self) -> Any:
        return unspool.full(self._batch_shape, float("nan"), dtype=self.probs.dtype)

    @property
    def mode(self) -> Any:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Any:
        return unspool.full(self._batch_shape, float("nan"), dtype=self.probs.dtype)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = Size(sample_shape)
        with unspool.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            return _draws(rows, math.prod(shape)).reshape(self._extended_shape(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        index = value.long().unsqueeze(-1)
        shape = unspool.broadcast_shapes(index.shape[:-1], self.logits.shape[:-1])
        logits = self.logits.expand(*shape, self._num_events)
        return logits.gather(-1, index.expand(*shape, 1)).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits.clamp(min=unspool.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = unspool.arange(self._num_events).reshape(-1, *([1] * len(self._batch_shape)))
        return values.expand(self._num_events, *self._batch_shape) if expand else values
