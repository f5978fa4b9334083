"""Rprop."""

from __future__ import annotations

from typing import Any

from unspool.optim._checks import check_learning_rate, check_variants
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient propagation (Riedmiller and Braun 1993), without backtracking of weights.

    Every element has a step s of its own, ``lr`` at first. With gradient g (negated for ``maximize``) and the
    one before, q::

        s <- clamp(s * etas[1], *step_sizes)  where g * q > 0
        s <- clamp(s * etas[0], *step_sizes)  where g * q < 0, and there g <- 0
        p <- p - sign(g) * s
        q <- g

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: the first step.
        etas: factors (etaminus, etaplus) by which steps shrink and grow, etaminus < 1 < etaplus.
        step_sizes: the least and the largest step.
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
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        check_variants("Rprop", foreach=foreach, fused=None, differentiable=differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
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
        return "rprop"
