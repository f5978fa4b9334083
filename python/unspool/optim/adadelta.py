"""Adadelta."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012, algorithm 1).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``)::

        v < -rho * v + (1 - rho) * g ^ 2
        d < -sqrt(u + eps) / sqrt(v + eps) * g
        u < -rho * u + (1 - rho) * d ^ 2
        p < -p - lr * d

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: factor on the update.
        rho: decay rate of both averages, in [0, 1].
        eps: keeps the quotient finite and starts the first update.
        weight_decay: factor of the penalty |p|^2 / 2.
        foreach: accepted; the update is one call in any case.
        capturable: accepted; any step can be captured.
        maximize: climb instead of descend.
        differentiable: must be False.

    Raises:
        ValueError: a hyperparameter out of range.
        NotImplementedError: ``differentiable``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(epsilon=eps, weight_decay=weight_decay)
        check_variants("Adadelta", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("maximize", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update(closure)

    def _rule_of(self, group: dict[str, Any]) -> str:
        del group
        return "adadelta"
