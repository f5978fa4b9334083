"""Averages of weights: stochastic weight averaging (Izmailov et al. 2018) and exponential moving averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any, cast

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool.nn.modules.module import Module
from unspool.optim.lr_scheduler._base import LRScheduler, per_group
from unspool.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AverageFn = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverageFn = Callable[[list[Tensor], list[Tensor], Any], None]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999) -> AverageFn:
    """A function of (average, value, count) that returns decay * average + (1 - decay) * value."""
    _check_decay(decay)

    def average(ema_param: Tensor, current_param: Tensor, _: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return average


def get_swa_avg_fn() -> AverageFn:
    """A function of (average, value, count) that returns the mean with all values weighing the same."""

    def average(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return cast(Tensor, averaged_param + (current_param - averaged_param) / (num_averaged + 1))

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverageFn:
    """Like ``get_ema_avg_fn`` for lists of tensors; the averages are changed in place."""
    _check_decay(decay)

    def average(ema_param_list: list[Tensor], current_param_list: list[Tensor], _: Any) -> None:
        _move_towards(ema_param_list, current_param_list, 1 - decay)

    return average


def get_swa_multi_avg_fn() -> MultiAverageFn:
    """Like ``get_swa_avg_fn`` for lists of tensors; the averages are changed in place."""

    def average(
        averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        if isinstance(num_averaged, Tensor):
            num_averaged = num_averaged.double()
        _move_towards(averaged_param_list, current_param_list, 1 / (num_averaged + 1))

    return average


def _move_towards(averages: list[Tensor], values: list[Tensor], rate: float | Tensor) -> None:
    with unspool.no_grad():
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                weight = rate.to(average.dtype) if isinstance(rate, Tensor) else rate
                average.lerp_(value.to(average.dtype), weight)
            else:
                average.copy_(average + (value - average) * rate)


class AveragedModel(Module):
    """A copy of a model whose parameters are running averages of that model's.

    Args:
        model: is copied.
        device: where the copy lives.
        avg_fn: returns the new average of (average, value, number averaged so far); equal weights by default.
        multi_avg_fn: the same in place for lists of all averages and all values.
        use_buffers: average buffers too; otherwise they are copied at each update.

    Attributes:
        module: the copy.
        n_averaged: number of updates, an int64 buffer.

    Raises:
        AssertionError: both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageFn | None = None,
        multi_avg_fn: MultiAverageFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", unspool.tensor(0, dtype=unspool.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the present parameters of ``model`` into the average; the first update copies them."""
        averages, values = self._averaged_tensors(self.module), self._averaged_tensors(model)
        with unspool.no_grad():
            if _core.is_capturing():
                self._update_at_any_count(averages, values)
            elif self.n_averaged == 0:
                for average, value in zip(averages, values, strict=True):
                    average.copy_(value)
            else:
                self._average(averages, values)
            if not self.use_buffers:
                for own, other in zip(self.module.buffers(), model.buffers(), strict=True):
                    own.copy_(other)
            self.n_averaged += 1

    def _average(self, averages: list[Tensor], values: list[Tensor]) -> None:
        if self.avg_fn is not None:
            for average, value in zip(averages, values, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, values, self.n_averaged)

    def _update_at_any_count(self, averages: list[Tensor], values: list[Tensor]) -> None:
        """The same without a look at the count, for compiled steps: the first average is thrown away."""
        is_first = self.n_averaged == 0
        self._average(averages, values)
        for average, value in zip(averages, values, strict=True):
            average.copy_(unspool.where(is_first, value.to(average.dtype), average))

    def _averaged_tensors(self, model: Module) -> list[Tensor]:
        tensors = [parameter.detach() for parameter in model.parameters()]
        return tensors + [buffer.detach() for buffer in model.buffers()] if self.use_buffers else tensors


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the statistics of batch normalization anew, as means over one pass through ``loader``.

    Args:
        loader: yields batches: tensors, or sequences whose first element is the input.
        model: is run in training mode; modes and momenta are put back afterwards.
        device: where batches are moved first.
    """
    # By name, so that nothing is imported that the model did not bring along.
    layers = [m for m in model.modules() if any(c.__name__ == "_BatchNorm" for c in type(m).__mro__)]
    if not layers:
        return
    was_training = model.training
    model.train()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        with unspool.no_grad():
            for batch in loader:
                batch = batch[0] if isinstance(batch, list | tuple) else batch
                model(batch if device is None else batch.to(device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rate of each group to a fixed value and keeps it there.

    Args:
        optimizer: whose learning rates are set.
        swa_lr: the final rate, or one per parameter group.
        anneal_epochs: number of steps until then.
        anneal_strategy: "cos" or "linear".
        last_epoch: number of the last step taken; -1 starts anew.

    Raises:
        ValueError: an unknown strategy, a negative number of epochs, a list of another length.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, rate in zip(optimizer.param_groups, per_group(optimizer, "swa_lr", swa_lr), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if anneal_epochs != int(anneal_epochs) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of this step: a mix of the final rate and of what the group would have without it."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            final, rate = group["swa_lr"], group["lr"]
            own = final if before == 1 else (rate - before * final) / (1 - before)
            rates.append(final * now + own * (1 - now))
        return rates

    def _share(self, step: int) -> float:
        """The share of the final rate."""
        progress = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return progress if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * progress)) / 2
