"""The command ``python -m unspool.verify script.py``; imported, it can be called like its namesake."""

from __future__ import annotations

import sys
import types
from typing import Any

from unspool._verify import GradientError, verify

__all__ = ["GradientError", "verify"]


class _Callable(types.ModuleType):
    """After ``import unspool.verify``, ``unspool.verify()`` still is the context manager."""

    def __call__(self, *args: Any, **kwargs: Any) -> verify:
        return verify(*args, **kwargs)


if __name__ == "__main__":
    from unspool._verify.script import main

    sys.exit(main())
sys.modules[__name__].__class__ = _Callable
