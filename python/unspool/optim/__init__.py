"""Optimizers, each of which updates all parameters in one call; schedules are in ``.lr_scheduler``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unspool._lazy import lazy as _on_demand
from unspool.optim.adam import Adam
from unspool.optim.adamw import AdamW
from unspool.optim.optimizer import Optimizer
from unspool.optim.sgd import SGD

if TYPE_CHECKING:
    from unspool.optim import lr_scheduler, swa_utils
    from unspool.optim.adadelta import Adadelta
    from unspool.optim.adafactor import Adafactor
    from unspool.optim.adagrad import Adagrad
    from unspool.optim.adamax import Adamax
    from unspool.optim.asgd import ASGD
    from unspool.optim.lbfgs import LBFGS
    from unspool.optim.muon import Muon
    from unspool.optim.nadam import NAdam
    from unspool.optim.radam import RAdam
    from unspool.optim.rmsprop import RMSprop
    from unspool.optim.rprop import Rprop
    from unspool.optim.sparse_adam import SparseAdam
else:
    _FILES = {
        "ASGD": "asgd",
        "Adadelta": "adadelta",
        "Adafactor": "adafactor",
        "Adagrad": "adagrad",
        "Adamax": "adamax",
        "LBFGS": "lbfgs",
        "Muon": "muon",
        "NAdam": "nadam",
        "RAdam": "radam",
        "RMSprop": "rmsprop",
        "Rprop": "rprop",
        "SparseAdam": "sparse_adam",
    }
    __getattr__ = _on_demand(
        __name__,
        ["lr_scheduler", "swa_utils", *_FILES.values()],
        {name: f"{__name__}.{file}" for name, file in _FILES.items()},
    )

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
