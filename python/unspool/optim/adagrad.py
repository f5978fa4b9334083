"""Adagrad."""

from __future__ import annotations

from typing import Any

import unspool
from unspool.optim._checks import check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``) at step t::

        s < -s + g ^ 2
        p < -p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: factor of the penalty |p|^2 / 2.
        initial_accumulator_value: first value of s.
        eps: keeps the quotient finite.
        foreach: accepted; the update is one call in any case.
        maximize: climb instead of descend.
        differentiable: must be False.
        fused: accepted; the update is one call in any case.

    Raises:
        ValueError: a negative hyperparameter.
        NotImplementedError: ``differentiable``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=eps,
        )
        check_variants("Adagrad", foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter] = {
                    "step": unspool.tensor(0.0, dtype=unspool.float32),
                    "sum": unspool.full_like(parameter, initial_accumulator_value, requires_grad=False),
                }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("maximize", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update(closure)

    def _rule_of(self, group: dict[str, Any]) -> str:
        del group
        return "adagrad"

    def share_memory(self) -> None:
        """Moves the sums of squares to memory shared between processes."""
        for state in self.state.values():
            state["sum"].share_memory_()
