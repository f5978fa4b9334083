"""Stopping when a figure no longer gets better, and going back to the weights that were best."""

from __future__ import annotations

import math
from typing import Any

from unspool._core import Tensor
from unspool.nn import Module

_PROGRESS = ("best", "best_step", "steps", "waited", "stopped")


class EarlyStopping:
    """Says when to stop: after ``patience`` steps in a row without a better figure (Prechelt 1998).

    A figure is better when it is below the best one so far by more than ``min_delta`` (above it, in mode
    "max"). NaN is never better.

    Args:
        patience: how many steps, of whatever length, may pass without a better figure; at least 1.
        min_delta: what counts as better, in units of the figure; not negative.
        mode: "min" for losses, "max" for accuracies.
        restore_best: keep a copy of the model's parameters and buffers at the best step, and put it back when
            it is time to stop.

    Attributes:
        best: the best figure, or None before the first one.
        best_step: the step, counted from 0, that it came from, or None.
        steps: how many figures there were.
        waited: how many of them came after the best one.
        stopped: whether it is time to stop.

    Raises:
        ValueError: an argument out of its range.

    Example::

        stopping = EarlyStopping(patience=10, restore_best=True)
        for epoch in range(1000):
            train_one_epoch(model)
            if stopping.step(validation_loss(model), model):
                break
    """

    def __init__(
        self, patience: int = 10, min_delta: float = 0.0, mode: str = "min", restore_best: bool = False
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least 1, got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta must not be negative, got {min_delta}")
        if mode not in ("min", "max"):
            raise ValueError(f'EarlyStopping: mode must be "min" or "max", got {mode!r}')
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best = restore_best
        self.best: float | None = None
        self.best_step: int | None = None
        self.steps = 0
        self.waited = 0
        self.stopped = False
        self._best_weights: dict[str, Any] | None = None

    def _is_better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        gain = self.best - value if self.mode == "min" else value - self.best
        return gain > self.min_delta

    def step(self, value: float | Tensor, model: Module | None = None) -> bool:
        """Take the next figure and say whether it is time to stop.

        Args:
            value: the figure, a number or a tensor of one element.
            model: what to keep and to put back; needed with ``restore_best``.

        Returns:
            ``stopped``. With ``restore_best`` the model has its best weights again when it turns True.

        Raises:
            ValueError: there is no model to keep; or a tensor of several elements.
        """
        if self.restore_best and model is None:
            raise ValueError("EarlyStopping: restore_best needs the model: step(value, model)")
        number = float(value.item() if isinstance(value, Tensor) else value)
        was_stopped = self.stopped
        if self._is_better(number):
            self.best, self.best_step, self.waited = number, self.steps, 0
            if self.restore_best and model is not None:
                self._best_weights = {name: _copied(entry) for name, entry in model.state_dict().items()}
        else:
            self.waited += 1
        self.steps += 1
        self.stopped = self.waited >= self.patience
        if self.stopped and not was_stopped and model is not None:
            self.restore(model)
        return self.stopped

    def restore(self, model: Module) -> bool:
        """Put the best weights back, also before it is time to stop; says whether there were any."""
        if self._best_weights is None:
            return False
        model.load_state_dict(self._best_weights)
        return True

    def state_dict(self) -> dict[str, Any]:
        """Give the progress, with the best weights where they are kept, for ``save``."""
        state: dict[str, Any] = {name: getattr(self, name) for name in ("mode", *_PROGRESS)}
        if self._best_weights is not None:
            state["best_weights"] = dict(self._best_weights)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a progress that ``state_dict`` gave; patience and min_delta stay as they are.

        Raises:
            ValueError: the progress is of the other mode.
            KeyError: something is missing in it.
        """
        missing = [name for name in ("mode", *_PROGRESS) if name not in state_dict]
        if missing:
            raise KeyError(f"EarlyStopping: the state lacks {', '.join(missing)}")
        if state_dict["mode"] != self.mode:
            raise ValueError(
                f"EarlyStopping: the state is of mode {state_dict['mode']!r}, this one of {self.mode!r}"
            )
        for name in _PROGRESS:
            setattr(self, name, state_dict[name])
        weights = state_dict.get("best_weights")
        self._best_weights = None if weights is None else {k: _copied(v) for k, v in weights.items()}


def _copied(entry: Any) -> Any:
    return entry.detach().clone() if isinstance(entry, Tensor) else entry
