"""Scaling of losses, so that small gradients do not vanish in half precision.

The loss is multiplied by a factor, the gradients divided by it before the step. A step whose gradients are
not all finite is left out, and the factor made smaller; after many good ones it is made larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor

__all__ = ["GradScaler"]


class GradScaler:
    """Scales losses and gradients; see the module. Disabled, it changes nothing.

    Args:
        device: "cpu" scales; for "cuda", which is not there, the scaler is disabled, as PyTorch does.
        init_scale: the factor to begin with.
        growth_factor: by which it grows after ``growth_interval`` steps in a row with finite gradients.
        backoff_factor: by which it shrinks after a step with others.
        growth_interval: see ``growth_factor``.
        enabled: False leaves losses, gradients and steps as they are.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and growth_factor <= 1.0:
            raise ValueError(f"GradScaler: growth_factor must be greater than 1, got {growth_factor}")
        if enabled and backoff_factor >= 1.0:
            raise ValueError(f"GradScaler: backoff_factor must be less than 1, got {backoff_factor}")
        self._enabled = enabled and device == "cpu"
        self._scale = float(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        # Per optimizer since the last update: whether its gradients were finite when they were unscaled.
        self._finite: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """Multiply a tensor, or those in a list or tuple, by the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(each) for each in outputs)
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise ValueError(f"GradScaler.scale: expected tensors, not {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, for example to clip them.

        Raises:
            RuntimeError: it was done already, or ``step`` was called, since the last ``update``.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.unscale_: called after step()")
        if id(optimizer) in self._finite:
            raise RuntimeError("GradScaler.unscale_: called twice since the last update()")
        gradients = [
            p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        if not gradients:
            raise RuntimeError("GradScaler: the parameters of the optimizer have no gradients")
        finite = True
        with unspool.no_grad():
            for gradient in gradients:
                gradient.mul_(1.0 / self._scale)
                finite = finite and bool(_core.ops.all(_core.ops.isfinite(gradient)))
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale, if ``unscale_`` was not called, and step when all gradients are finite.

        Returns:
            what the step returned; None when it was left out.

        Raises:
            RuntimeError: it was called already since the last ``update``.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("GradScaler.step: closures are not supported")
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.step: called twice since the last update()")
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step(*args, **kwargs) if self._finite[id(optimizer)] else None

    def _begin_unwinding(self, optimizers: Sequence[Any]) -> float:
        """What ``backward(step=optimizers, scaler=self)`` multiplies gradients by."""
        for optimizer in optimizers:
            if id(optimizer) in self._stepped or id(optimizer) in self._finite:
                raise RuntimeError(
                    "backward(step=, scaler=): step() or unscale_() was called for this optimizer since the "
                    "last update()"
                )
        return 1.0 / self._scale

    def _end_unwinding(self, optimizers: Sequence[Any], finite: list[bool]) -> None:
        """Remember which of the optimizers had finite gradients, and so stepped."""
        for optimizer, is_finite in zip(optimizers, finite, strict=True):
            self._finite[id(optimizer)] = is_finite
            self._stepped.add(id(optimizer))

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the factor to the steps since the last call, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._finite:
                raise RuntimeError("GradScaler.update: no step() or unscale_() since the last one")
            if all(self._finite.values()):
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale *= self._growth_factor
                    self._growth_tracker = 0
            else:
                self._scale *= self._backoff_factor
                self._growth_tracker = 0
        self._finite.clear()
        self._stepped.clear()

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """Give the factor; 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """Give the factor of growth."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the factor of growth."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """Give the factor of shrinking."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the factor of shrinking."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Give the number of good steps before the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the number of good steps before the factor grows."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Give the state; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; RuntimeError for an empty one, which a disabled scaler gives."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict: the state is that of a disabled scaler")
        self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
