"""PyTorch's place of how tensors are shown, from which some packages take the text of the elements."""

from __future__ import annotations

from unspool._core import Tensor
from unspool._tensor.printing import _options, format_elements, set_printoptions

__all__ = ["PRINT_OPTS", "set_printoptions"]

PRINT_OPTS = _options


def _tensor_str(self: Tensor, indent: int) -> str:
    """Give the text of the elements, in brackets."""
    return format_elements(self, indent)
