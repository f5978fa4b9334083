"""ASGD."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``) at step t::

        p < -(1 - lambd * eta) * p - eta * g
        a < -a + mu * (p - a)
        eta < -lr / (1 + lambd * lr * t) ^ alpha  # for the next step, as is
        mu < -1 / max(1, t - t0)

    The average a is ``state[p]["ax"]``.

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate of the first step.
        lambd: decay of p.
        alpha: power with which eta falls.
        t0: the step at which averaging starts.
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
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(weight_decay=weight_decay)
        check_variants("ASGD", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
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
        return "asgd"
