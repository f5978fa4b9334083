"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from unspool.optim.lr_scheduler._base import LRScheduler, set_value
from unspool.optim.lr_scheduler._plateau import ReduceLROnPlateau
from unspool.optim.optimizer import Optimizer


def _check(name: str, schedulers: Sequence[Any], optimizer: Any) -> None:
    for i, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to "
                "be "
                f"specified when calling `step`, but got one at index {i}"
            )
        if scheduler.optimizer is not optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but got one at index {i}"
            )


def _nested_state(scheduler: Any, name: str) -> dict[str, Any]:
    state = {key: value for key, value in scheduler.__dict__.items() if key not in ("optimizer", name)}
    state[name] = [inner.state_dict() for inner in getattr(scheduler, name)]
    return state


def _load_nested(scheduler: Any, name: str, state_dict: dict[str, Any]) -> None:
    saved = dict(state_dict)
    inner_states = saved.pop(name)
    scheduler.__dict__.update(saved)
    for inner, state in zip(getattr(scheduler, name), inner_states, strict=True):
        inner.load_state_dict(state)


class SequentialLR(LRScheduler):
    """Runs schedules one after the other, each from its own step 0 at a milestone.

    Args:
        optimizer: whose learning rates are set.
        schedulers: at least one, all of this optimizer.
        milestones: the steps at which the next one takes over; one fewer than schedulers.
        last_epoch: number of the last step taken; -1 starts anew.

    Raises:
        ValueError: no schedulers, another number of milestones, schedulers of other optimizers.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError("SequentialLR expects at least one scheduler to be chained, but got none.")
        _check("SequentialLR", schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number "
                "of milestone "
                f"points, but got number of schedulers {len(schedulers)} and the number of milestones to be "
                f"equal to {len(milestones)}"
            )
        self._attach(optimizer)
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Every scheduler has set the rates of its own first step; only those of the first one are wanted.
        for group in optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        for scheduler in schedulers:
            scheduler.last_epoch -= 1
        schedulers[0]._initial_step()
        self._last_lr = schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Counts one step of the schedule whose turn it is."""
        self.last_epoch += 1
        at = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[at]
        if at > 0 and self._milestones[at - 1] == self.last_epoch:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                scheduler.step(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; the schedules by their own state."""
        return _nested_state(self, "_schedulers")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` returned."""
        _load_nested(self, "_schedulers", state_dict)


class ChainedScheduler(LRScheduler):
    """Runs schedules all at once: each changes the rates that the one before it has set.

    Args:
        schedulers: at least one, all of one optimizer.
        optimizer: that optimizer; the first schedule's where None.

    Raises:
        ValueError: no schedulers, or schedulers of other optimizers.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise ValueError("ChainedScheduler expects at least one scheduler to be chained, but got none.")
        shared = optimizer or schedulers[0].optimizer
        _check("ChainedScheduler", schedulers, shared)
        self._attach(shared)
        self._schedulers = list(schedulers)
        self._last_lr = self._current()

    def step(self) -> None:  # type: ignore[override]
        """Counts one step of every schedule."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; the schedules by their own state."""
        return _nested_state(self, "_schedulers")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` returned."""
        _load_nested(self, "_schedulers", state_dict)
