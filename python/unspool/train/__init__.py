"""What a training script needs around its step: stopping early, starting from trained weights, batches ahead.

=====================  ==================================================================================
stopping               ``EarlyStopping``
trained weights        ``freeze``, ``unfreeze``, ``parameter_groups``, ``load_matching``, ``Features``
streaming              ``Prefetcher``
=====================  ==================================================================================
"""

from unspool.train.early_stopping import EarlyStopping
from unspool.train.features import Features
from unspool.train.freezing import freeze, unfreeze
from unspool.train.groups import parameter_groups
from unspool.train.loading import LoadReport, load_matching
from unspool.train.prefetcher import Prefetcher

__all__ = [
    "EarlyStopping",
    "Features",
    "LoadReport",
    "Prefetcher",
    "freeze",
    "load_matching",
    "parameter_groups",
    "unfreeze",
]
