"""The block that PyTorch needs around ``x[i]`` with batched indices in ``vmap``; unspool does without."""

from __future__ import annotations


class TransformGetItemToIndex:
    """A ``with`` block that changes nothing: ``vmap`` knows indices that are batched."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
