"""Optimizers, each of which updates all parameters in one call; schedules are in ``.lr_scheduler``."""

from __future__ import annotations

from unspool.optim import lr_scheduler
from unspool.optim.adadelta import Adadelta
from unspool.optim.adagrad import Adagrad
from unspool.optim.adam import Adam
from unspool.optim.adamw import AdamW
from unspool.optim.optimizer import Optimizer
from unspool.optim.rmsprop import RMSprop
from unspool.optim.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
