"""Adafactor."""

from __future__ import annotations

from typing import Any

import unspool
from unspool._core import Tensor
from unspool.optim._live import live
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern 2018, algorithms 4 and 5): second moments as a row times a column.

    With gradient g (negated for ``maximize``) at step t, b = 1 - t ^ beta2_decay, RMS the root mean square
    and means over the last dimension (row) or the one before it (column)::

        p < -(1 - lr * weight_decay) * p
        row < -b * row + (1 - b) * mean(g ^ 2)
        column < -b * column + (1 - b) * mean(g ^ 2)
        v < -row * column / max(mean(row), eps1)  # one-dimensional: b * v + (1 - b) * g^2
        u < -g / sqrt(max(v, eps1 ^ 2))
        p < -p - min(lr, 1 / sqrt(t)) * max(eps2, RMS(p)) * u / max(1, RMS(u) / d)

    Args:
        params: tensors, groups or named tensors; see ``Optimizer``.
        lr: largest relative step, and the rate of weight decay.
        beta2_decay: power with which the decay rate approaches 1, at most 0.
        eps: (eps1, eps2); eps1 None is the machine epsilon of the parameter's dtype.
        d: threshold above which an update is scaled down, at least 1.
        weight_decay: decoupled: p shrinks by lr * weight_decay.
        foreach: accepted; it chooses between implementations elsewhere.
        maximize: climb instead of descend.

    Raises:
        ValueError: a hyperparameter out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update_each(closure)

    def step_parameter(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Updates one parameter from its gradient; see ``Optimizer.step_parameter``."""
        gradient = parameter.grad
        assert gradient is not None
        state = self._state_of(parameter, gradient)
        if parameter.numel() == 0:
            return
        if group["maximize"]:
            gradient = -gradient
        lr, t = live(group, "lr"), state["step"].double()
        eps1 = unspool.finfo(parameter.dtype).eps if group["eps"][0] is None else group["eps"][0]
        forgotten = t ** group["beta2_decay"]
        relative_step = unspool.minimum(lr, 1 / t.sqrt()) * _rms(parameter).clamp(min=group["eps"][1])
        if group["weight_decay"] != 0:
            parameter.mul_(1 - lr * live(group, "weight_decay"))
        update = gradient * _second_moment(state, gradient, forgotten, eps1).clamp(min=eps1 * eps1).rsqrt()
        parameter.sub_(update * (relative_step / (_rms(update) / group["d"]).clamp(min=1.0)))

    def _state_of(self, parameter: Tensor, gradient: Tensor) -> dict[str, Any]:
        """The parameter's state, made in its first step, with ``step`` counted up."""
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = unspool.zeros(())
            if gradient.ndim > 1:
                rows, columns = list(gradient.shape), list(gradient.shape)
                rows[-1] = columns[-2] = 1
                state["row_var"] = unspool.zeros(rows, dtype=gradient.dtype)
                state["col_var"] = unspool.zeros(columns, dtype=gradient.dtype)
            else:
                state["variance"] = unspool.zeros_like(gradient)
        state["step"] += 1
        return state


def _second_moment(state: dict[str, Any], gradient: Tensor, rate: Tensor, eps: float) -> Tensor:
    """Moves the averages on and returns the estimate of the mean of gradient^2."""
    square, rate = gradient.square(), rate.to(gradient.dtype)
    if gradient.ndim < 2:
        variance: Tensor = state["variance"]
        variance.lerp_(square, rate)
        return variance
    row: Tensor = state["row_var"]
    column: Tensor = state["col_var"]
    row.lerp_(square.mean(dim=-1, keepdim=True), rate)
    column.lerp_(square.mean(dim=-2, keepdim=True), rate)
    return (row @ column) / row.mean(dim=-2, keepdim=True).clamp(min=eps)


def _rms(tensor: Tensor) -> Tensor:
    return tensor.square().mean().sqrt().double()
