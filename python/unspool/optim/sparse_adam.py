"""SparseAdam, which has nothing to work on here."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_betas, check_learning_rate, check_not_negative
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for sparse gradients; gradients are dense here, which it refuses as it does elsewhere.

    Raises:
        ValueError: a hyperparameter out of range.
        RuntimeError: in ``step``, for a dense gradient: use ``Adam``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(epsilon=eps)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    _not_alone = "it takes sparse gradients, and gradients are dense"

    def step(self, closure: Closure | None = None) -> Any:
        """Raises RuntimeError when a parameter has a gradient, because gradients are dense."""
        loss = self._evaluate(closure)
        if any(parameter._grad is not None for group in self.param_groups for parameter in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        return loss
