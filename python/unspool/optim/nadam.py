"""NAdam."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_betas, check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``) at step t, m and v as in ``Adam``,
    mu_t = beta1 * (1 - 0.96 ^ (t * momentum_decay) / 2) and P_t the product of mu_1 to mu_t::

        u < -mu_(t + 1) * m / (1 - P_(t + 1)) + (1 - mu_t) * g / (1 - P_t)
        p < -p - lr * u / (sqrt(v / (1 - beta2 ^ t)) + eps)

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        betas: decay rates of the two averages, in [0, 1).
        eps: keeps the quotient finite.
        weight_decay: factor of the penalty |p|^2 / 2.
        momentum_decay: how fast the momentum grows to beta1.
        decoupled_weight_decay: shrink p by lr * weight_decay instead, as AdamW does.
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
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(epsilon=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        check_not_negative(momentum_decay=momentum_decay)
        check_variants("NAdam", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("maximize", False)
            group.setdefault("decoupled_weight_decay", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update(closure)

    def _rule_of(self, group: dict[str, Any]) -> str:
        del group
        return "nadam"
