"""Exceptions of PyTorch's recorder of bytecode, for ``except`` clauses: nothing raises them."""

from __future__ import annotations


class TorchDynamoException(RuntimeError):
    """Never raised; the class of the others."""


class InternalTorchDynamoError(TorchDynamoException):
    """Never raised."""


class BackendCompilerFailed(TorchDynamoException):
    """Never raised."""


class Unsupported(TorchDynamoException):
    """Never raised: what cannot be recorded raises ``unspool.CaptureError``."""


class TorchRuntimeError(TorchDynamoException):
    """Never raised."""


class UserError(Unsupported):
    """Never raised."""
