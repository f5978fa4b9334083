"""Making a module whose initial values do not matter."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import unspool
from unspool.nn.modules.module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """``module_cls(*args, **kwargs)``, whose parameters are about to be overwritten.

    The random number generator is left as it was; what the parameters hold is not defined.

    Raises:
        RuntimeError: ``module_cls`` is no Module, or takes no ``device``.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters and "device" not in kwargs:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = unspool.get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        unspool.set_rng_state(state)
