"""The reference: every operation in pure NumPy, with its inputs, dtypes, tolerances and bad calls.

`ROWS` maps an operation's public name to its row. Adding an operation to the library means one record in
C++ and one row in the module of its family here. A name with a dot ("round.decimals", "linalg.vector_norm")
is either a second row of an operation or a name in a namespace.
"""

from __future__ import annotations

from . import (
    activations,
    arithmetic,
    attention,
    convolution,
    distance,
    embedding,
    indexing,
    linalg,
    losses,
    normalization,
    order,
    padding,
    reductions,
    repeating,
    scattering,
    shape,
    transcendental,
)
from .rows import Row, table

ROWS: dict[str, Row] = table(
    *arithmetic.ROWS.values(),
    *transcendental.ROWS.values(),
    *activations.ROWS.values(),
    *reductions.ROWS.values(),
    *repeating.ROWS.values(),
    *scattering.ROWS.values(),
    *linalg.ROWS.values(),
    *shape.ROWS.values(),
    *indexing.ROWS.values(),
    *embedding.ROWS.values(),
    *attention.ROWS.values(),
    *distance.ROWS.values(),
    *losses.ROWS.values(),
    *convolution.ROWS.values(),
    *order.ROWS.values(),
    *padding.ROWS.values(),
    *normalization.ROWS.values(),
)

__all__ = ["ROWS", "Row"]
