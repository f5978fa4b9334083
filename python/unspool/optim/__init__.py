"""Optimizers, each of which updates all parameters in one call; schedules are in ``.lr_scheduler``."""

from __future__ import annotations

from unspool.optim import lr_scheduler, swa_utils
from unspool.optim.adadelta import Adadelta
from unspool.optim.adafactor import Adafactor
from unspool.optim.adagrad import Adagrad
from unspool.optim.adam import Adam
from unspool.optim.adamax import Adamax
from unspool.optim.adamw import AdamW
from unspool.optim.asgd import ASGD
from unspool.optim.lbfgs import LBFGS
from unspool.optim.muon import Muon
from unspool.optim.nadam import NAdam
from unspool.optim.optimizer import Optimizer
from unspool.optim.radam import RAdam
from unspool.optim.rmsprop import RMSprop
from unspool.optim.rprop import Rprop
from unspool.optim.sgd import SGD
from unspool.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]
