"""Stands in for the callbacks of Keras that a package for PyTorch derives its own from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Callback:
    """Does nothing."""

    model: Any = None

    def set_model(self, model: Any) -> None:
        """Keep the model."""
        self.model = model

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """After an epoch."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before everything."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """After everything."""


class EarlyStopping(Callback):
    """Never stops."""


class ModelCheckpoint(Callback):
    """Saves nothing."""


class History(Callback):
    """Keeps what each epoch logs."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin a new history."""
        del logs
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class CallbackList(Callback):
    """Several callbacks, called one after the other."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)

    def set_model(self, model: Any) -> None:
        """Give the model to all."""
        self.model = model
        for each in self.callbacks:
            each.set_model(model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell all."""
        for each in self.callbacks:
            each.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell all."""
        for each in self.callbacks:
            each.on_epoch_end(epoch, logs)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Tell all."""
        for each in self.callbacks:
            each.on_train_begin(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Tell all."""
        for each in self.callbacks:
            each.on_train_end(logs)
