"""Adamax."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_betas, check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax: Adam with the infinity norm (Kingma and Ba 2015, algorithm 2).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``) at step t::

        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        betas: decay rates of the average and of the norm, in [0, 1).
        eps: keeps the quotient finite.
        weight_decay: factor of the penalty |p|^2 / 2.
        foreach: accepted; the update is one call in any case.
        maximize: climb instead of descend.
        capturable: accepted; any step can be captured.
        differentiable: must be False.

    Raises:
        ValueError: a hyperparameter out of range.
        NotImplementedError: ``differentiable``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(epsilon=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        check_variants("Adamax", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
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
        return "adamax"
