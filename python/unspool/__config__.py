"""How this build was made, under the names that scripts ask PyTorch's build with."""

from __future__ import annotations

from unspool import _core
from unspool._config import show_config

__all__ = ["parallel_info", "show"]


def show() -> str:
    """Describe the build; the same as ``show_config()``."""
    return show_config()


def parallel_info() -> str:
    """Say how many threads work."""
    return f"threads of unspool: {_core._configuration()['threads']}\nOpenMP, MKL: not used"
