"""Counts of floating point operations. A counter can be made, and says what it has seen: nothing."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FlopCounterMode"]


class FlopCounterMode:
    """A counter that has counted nothing. Entering it raises NotImplementedError.

    Args:
        options: accepted, as nothing is counted.
    """

    def __init__(self, *_options: Any, **_named: Any) -> None:
        pass

    def get_total_flops(self) -> int:
        """Give 0, the count before a block."""
        return 0

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """Give an empty dict, the counts before a block."""
        return {}

    def __enter__(self) -> NoReturn:
        raise NotImplementedError(
            "torch.utils.flop_counter.FlopCounterMode is not implemented in unspool: the operations in a "
            "with block are not counted; unspool.summary counts parameters and the memory of activations"
        )

    def __exit__(self, *_error: Any) -> None:
        pass
