"""Learning-rate schedules: ``scheduler.step()`` comes after ``optimizer.step()``, per epoch or batch."""

from __future__ import annotations

from unspool.optim.lr_scheduler._base import LRScheduler
from unspool.optim.lr_scheduler._combined import ChainedScheduler, SequentialLR
from unspool.optim.lr_scheduler._cyclic import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from unspool.optim.lr_scheduler._decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from unspool.optim.lr_scheduler._plateau import ReduceLROnPlateau

# The old name of the base class, which subclasses of older scripts still use.
_LRScheduler = LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
