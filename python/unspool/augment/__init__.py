"""Augmentation of image batches: random shifts, turns, flips, crops, sizes, slants, distortions, noise.

Transforms are called with a batch of images (N, C, H, W), uint8 or floating, and optionally its masks and key
points; every image gets random numbers of its own. ``Compose`` puts several in a row; geometric ones that
follow each other become one warp, so that a pixel is interpolated once however many they are. ``functional``
has the same with explicit parameters. Positions are in pixels: x to the right, y down, (0, 0) the center of
the first one.
"""

from unspool.augment import functional
from unspool.augment.compose import Augmented, Compose, Transform
from unspool.augment.geometric import Crop, ElasticDistort, Flip, Rotate, Scale, Shear, Shift
from unspool.augment.pixels import Cutout, Noise

__all__ = [
    "Augmented",
    "Compose",
    "Crop",
    "Cutout",
    "ElasticDistort",
    "Flip",
    "Noise",
    "Rotate",
    "Scale",
    "Shear",
    "Shift",
    "Transform",
    "functional",
]
