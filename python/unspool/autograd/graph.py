"""What PyTorch offers for looking into the tape, as far as it has a meaning here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unspool._core import Node

__all__ = ["Node", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


class save_on_cpu:
    """A ``with`` block that keeps saved tensors in the processor's memory, where they are in any case.

    Args:
        pin_memory: has no effect.
        device_type: has no effect.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        del pin_memory, device_type

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class saved_tensors_hooks:
    """Raises NotImplementedError: the tape saves tensors as they are."""

    def __init__(self, *_hooks: Any) -> None:
        raise NotImplementedError(
            "torch.autograd.graph.saved_tensors_hooks is not implemented in unspool; to save less, use "
            "utils.checkpoint or a memory budget of unspool.compile"
        )


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Change nothing: there are no hooks on saved tensors."""
    del error_message
    yield
