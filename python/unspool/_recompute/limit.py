"""``unspool.memory_budget``: a limit for everything that is allocated while a block runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from unspool import _core
from unspool._recompute.budget import bytes_of


@contextlib.contextmanager
def memory_budget(amount: int | str) -> Iterator[None]:
    """Within the block, the allocator never hands out more than the budget: activations go when it would.

    Before an allocation would pass the budget, values that only the tape holds are dropped: first those that
    are large, cheap to compute again and read late in the unwinding. When the unwinding reads one, the
    operations that lead to it run again, with the same bits; so results and gradients do not depend on the
    budget. Forward and backward pass both belong in the block, in any number; so may the optimizer's step.

    The budget is for what ``unspool.memory_stats()["allocated_bytes"]`` counts, parameters and data
    included. It holds for the thread that enters the block. Inside of one block, the smaller budget counts.
    Values made under ``no_grad``, and those that Python or NumPy hold, are not dropped.

    Args:
        amount: bytes, or a text such as "200 MB" or "1.5 GiB".

    Raises:
        MemoryError: in the block, at the operation for which no room can be made; the message names the
            smallest budget that would do there.
    """
    limit = _core._MemoryLimit(bytes_of(amount))
    try:
        yield
    finally:
        limit.close()
