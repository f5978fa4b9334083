"""Stands in for torchvision: the data sets, transforms and networks that the clients use."""

from torchvision import datasets, models, transforms, utils

__all__ = ["datasets", "models", "transforms", "utils"]
