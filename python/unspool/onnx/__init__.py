"""ONNX files, which are not written yet: ``export`` raises and says so."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["export", "is_in_onnx_export", "register_custom_op_symbolic"]


def export(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise NotImplementedError."""
    raise NotImplementedError(
        "torch.onnx.export is not implemented in unspool; save the weights with unspool.save, load them with "
        "torch and export from there"
    )


def is_in_onnx_export() -> bool:
    """Give False."""
    return False


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Any, opset_version: int) -> None:
    """Accept how a package would write its own operation; nothing is written."""
    del symbolic_name, symbolic_fn, opset_version
