"""RAdam."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_betas, check_learning_rate, check_not_negative, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Rectified Adam (Liu et al. 2020, algorithm 2).

    With gradient g (plus ``weight_decay`` * p, negated for ``maximize``) at step t, m and v as in ``Adam``
    and the length r_t = r - 2 t beta2^t / (1 - beta2^t) of the average, where r = 2 / (1 - beta2) - 1::

        p <- p - lr * m / (1 - beta1^t) * c_t * sqrt(1 - beta2^t) / (sqrt(v) + eps)   # r_t > 5
        p <- p - lr * m / (1 - beta1^t)                                               # before
        c_t = sqrt((r_t - 4) (r_t - 2) r / ((r - 4) (r - 2) r_t))

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: learning rate.
        betas: decay rates of the two averages, in [0, 1).
        eps: keeps the quotient finite.
        weight_decay: factor of the penalty |p|^2 / 2.
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
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
        check_variants("RAdam", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
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
        return "radam"
