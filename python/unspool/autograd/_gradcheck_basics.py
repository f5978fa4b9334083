"""The little of gradcheck that importing the package needs; the first check imports the other parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unspool._core import Tensor

if TYPE_CHECKING:
    from unspool.autograd._gradcheck_report import Jacobian


class GradcheckError(RuntimeError):
    """A derivative is wrong. `failures` holds the Jacobians with wrong entries, both ways."""

    def __init__(self, message: str, failures: Sequence[Jacobian] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


def wants_gradient(value: Any) -> bool:
    """Tell whether an argument is to be checked."""
    return isinstance(value, Tensor) and value.requires_grad
