"""ONNX files, which are not written yet: ``export`` raises and says so."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["export", "is_in_onnx_export"]


def export(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    raise NotImplementedError(
        "torch.onnx.export is not implemented in unspool; save the weights with unspool.save, load them with "
        "torch and export from there"
    )


def is_in_onnx_export() -> bool:
    """Give False."""
    return False
