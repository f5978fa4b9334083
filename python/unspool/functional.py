"""``torch.functional``: functions that are found at the top level too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unspool._lazy import lazy as _on_demand

if TYPE_CHECKING:
    from unspool import (
        atleast_1d,
        atleast_2d,
        atleast_3d,
        block_diag,
        broadcast_shapes,
        broadcast_tensors,
        cartesian_prod,
        cdist,
        chain_matmul,
        einsum,
        meshgrid,
        norm,
        split,
        tensordot,
        unique,
        unique_consecutive,
        unravel_index,
    )

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "meshgrid",
    "norm",
    "split",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]

if not TYPE_CHECKING:
    __getattr__ = _on_demand(__name__, attributes=dict.fromkeys(__all__, "unspool"))
