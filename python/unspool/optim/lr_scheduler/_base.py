"""``LRScheduler``: counting steps, setting rates, saving state. Schedules define ``get_lr``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import unspool
from unspool._core import Tensor
from unspool._warning import warn
from unspool.optim.optimizer import Optimizer


class LRScheduler:
    """Base class of schedules: a subclass returns the next rates, one per parameter group, from ``get_lr()``.

    Args:
        optimizer: whose learning rates are set.
        last_epoch: number of the last step taken, to resume after it; -1 starts anew.

    Attributes:
        base_lrs: the rates that the groups started from.
        last_epoch: number of the last step; 0 after construction.

    Raises:
        TypeError: ``optimizer`` is not an Optimizer.
        KeyError: resuming an optimizer whose groups do not know the rates that they started from.
    """

    base_lrs: list[Any]
    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                rate = group["lr"]
                group.setdefault("initial_lr", rate.clone() if isinstance(rate, Tensor) else rate)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    f"last_epoch >= 0 (got {last_epoch}); load the optimizer's state first"
                )
        self.base_lrs = [_copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer

    def _initial_step(self) -> None:
        """Sets the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates that the last step set, one per parameter group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The rates of step ``last_epoch``, one per parameter group; called by ``step``."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Counts one step and sets the rates.

        Args:
            epoch: the number of the step, where it is not the next one; deprecated.
        """
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            rates = self._rates_of(self.get_lr)
        else:
            warn(
                "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated: call "
                "scheduler.step() without it",
                UserWarning,
            )
            self.last_epoch = epoch
            rates = self._rates_of(getattr(self, "_get_closed_form_lr", self.get_lr))
        self._set_rates(rates)

    def _rates_of(self, get: Callable[[], list[Any]]) -> list[Any]:
        # PyTorch's name, which get_lr of public subclasses reads to warn of calls from elsewhere.
        self._get_lr_called_within_step = True
        try:
            return get()
        finally:
            self._get_lr_called_within_step = False

    def _check_order(self) -> None:
        replaced = "step" in self.optimizer.__dict__
        if not replaced and not self.optimizer.__dict__.get("_opt_called", False):
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: call them in the opposite "
                "order, "
                "or the first value of the schedule is skipped",
                UserWarning,
            )

    def _set_rates(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", rate)
        self._last_lr: list[Any] = [_copied(group["lr"]) for group in self.optimizer.param_groups]

    def _current(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]


def set_value(group: dict[str, Any], name: str, value: Any) -> None:
    """Sets a hyperparameter; one that is a tensor is overwritten."""
    old = group[name]
    if isinstance(old, Tensor):
        with unspool.no_grad():
            old.fill_(float(value))
    else:
        group[name] = float(value) if isinstance(value, Tensor) else value


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """One value per parameter group, from one value or a list of them.

    Raises:
        ValueError: the list has another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups: {len(value)} and {groups}"
        )
    return list(value)
