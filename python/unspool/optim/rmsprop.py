"""RMSprop."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012, lecture 6e; centred as in Graves 2013, equation 40).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``)::

        v < -alpha * v + (1 - alpha) * g ^ 2
        d < -g / (sqrt(v) + eps)  # centered: v - a^2, a the running mean of g
        p < -p - lr * d  # momentum: b <- momentum * b + d;  p <- p - lr * b

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        alpha: decay rate of the average.
        eps: keeps the quotient finite.
        weight_decay: factor of the penalty |p|^2 / 2.
        momentum: share of the last update that is kept.
        centered: divide by the standard deviation of the gradient instead of its root mean square.
        capturable: accepted; any step can be captured.
        foreach: accepted; the update is one call in any case.
        maximize: climb instead of descend.
        differentiable: must be False.

    Raises:
        ValueError: a negative hyperparameter.
        NotImplementedError: ``differentiable``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        check_variants("RMSprop", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("momentum", 0)
            group.setdefault("centered", False)
            group.setdefault("maximize", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update(closure)

    def _rule_of(self, group: dict[str, Any]) -> str:
        del group
        return "rmsprop"
