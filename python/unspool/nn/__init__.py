"""Networks: modules, parameters and losses; functions in ``.functional``, initial values in ``.init``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unspool._lazy import lazy as _on_demand
from unspool.nn import attention, functional, init, modules, parameter, utils
from unspool.nn.modules import *  # noqa: F403
from unspool.nn.modules import __all__ as _modules
from unspool.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from unspool.nn import blocks, parallel
    from unspool.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions
    from unspool.nn.parallel import DataParallel
else:
    __getattr__ = _on_demand(
        __name__,
        ["_reduction", "blocks", "common_types", "parallel"],
        {
            "DataParallel": "unspool.nn.parallel",
            "LinearCrossEntropyOptions": "unspool.nn.modules.linear_cross_entropy_options",
        },
    )

__all__ = [
    "Buffer",
    "DataParallel",
    "LinearCrossEntropyOptions",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "blocks",
    "functional",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]
__all__ += _modules
