"""The package under the name ``torch``: scripts that an editor has completed say ``torch.torch.rand``."""

import unspool as torch

__all__ = ["torch"]
