"""Adam."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_betas, check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``) at step t::

        m < -beta1 * m + (1 - beta1) * g
        v < -beta2 * v + (1 - beta2) * g ^ 2
        p < -p - lr * (m / (1 - beta1 ^ t)) / (sqrt(v / (1 - beta2 ^ t)) + eps)

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        betas: decay rates of the two averages, in [0, 1).
        eps: keeps the quotient finite.
        weight_decay: factor of the penalty |p|^2 / 2.
        amsgrad: divide by the largest v so far (Reddi et al. 2018).
        foreach: accepted; the update is one call in any case.
        maximize: climb instead of descend.
        capturable: accepted; any step can be captured.
        differentiable: must be False.
        fused: accepted; the update is one call in any case.
        decoupled_weight_decay: shrink p by lr * weight_decay instead, as AdamW does.

    Raises:
        ValueError: a hyperparameter out of range.
        NotImplementedError: ``differentiable``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative(epsilon=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        name = type(self).__name__
        check_variants(name, foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("decoupled_weight_decay", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update(closure)

    def _rule_of(self, group: dict[str, Any]) -> str:
        return "adamw" if group["decoupled_weight_decay"] else "adam"
