"""Muon."""

from __future__ import annotations

import math
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.optim._live import live
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["Muon"]


class Muon(Optimizer):
    """Momentum orthogonalized by Newton-Schulz iterations (Jordan et al. 2024), for matrices.

    With gradient g::

        b <- momentum * b + (1 - momentum) * g
        u <- (1 - momentum) * g + momentum * b      # b itself without nesterov
        p <- (1 - lr * weight_decay) * p - adjusted lr * orthogonalized(u)

    The iteration x <- a x + (b x x^T + c (x x^T)^2) x starts from u / max(|u|, eps), in float32 at least:
    PyTorch rounds it to bfloat16, so that its updates differ from these by about one percent.

    Args:
        params: matrices, groups or named matrices; give biases and embeddings to another optimizer.
        lr: learning rate.
        weight_decay: decoupled: p shrinks by lr * weight_decay.
        momentum: decay rate of the average of gradients.
        nesterov: look ahead.
        ns_coefficients: (a, b, c) of the iteration.
        eps: the least norm that is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: "original" (the default) scales lr by sqrt(max(1, rows / columns)), "match_rms_adamw" by
            0.2 * sqrt(max(rows, columns)).

    Raises:
        ValueError: a hyperparameter out of range, or a parameter that is no matrix.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{parameter.size()}"
                    )

    def step(self, closure: Closure | None = None) -> Any:
        """Updates all parameters that have a gradient; see ``Optimizer.step``."""
        return self._update_each(closure)

    def step_parameter(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Updates one parameter from its gradient; see ``Optimizer.step_parameter``."""
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = unspool.zeros_like(gradient)
        buffer, momentum, lr = state["momentum_buffer"], live(group, "momentum"), live(group, "lr")
        buffer.lerp_(gradient, (1 - momentum).to(gradient.dtype))
        direction = gradient.lerp(buffer, momentum.to(gradient.dtype)) if group["nesterov"] else buffer
        update = _orthogonalized(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = parameter.shape
        parameter.mul_(1 - lr * live(group, "weight_decay"))
        parameter.sub_(update * (lr * _scale(group["adjust_lr_fn"], rows, columns)))


def _scale(adjustment: str | None, rows: int, columns: int) -> float:
    if adjustment == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns)) if columns else 1.0


def _orthogonalized(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """``matrix`` with its singular values moved towards 1, by ``steps`` Newton-Schulz iterations."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if is_tall else matrix
    x = x / x.square().sum().sqrt().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if is_tall else x
