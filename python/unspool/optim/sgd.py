"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum where asked for.

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``)::

        v < -momentum * v + (1 - dampening) * g  # v is g itself at the first step
        p < -p - lr * v  # nesterov: p - lr * (g + momentum * v)

    Nesterov's form is that of Sutskever et al. 2013, section 2, in which the gradient is taken at p.

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        momentum: share of the last update that is kept.
        dampening: share of the gradient that does not enter the momentum.
        weight_decay: factor of the penalty |p|^2 / 2.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: climb instead of descend.
        foreach: accepted; the update is one call in any case.
        differentiable: must be False.
        fused: accepted; the update is one call in any case.

    Raises:
        ValueError: a negative hyperparameter, or nesterov without momentum.
        NotImplementedError: ``differentiable``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_variants("SGD", foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update(closure)

    def _rule_of(self, group: dict[str, Any]) -> str:
        del group
        return "sgd"
