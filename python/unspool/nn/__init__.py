"""Networks: modules, parameters and losses; functions in ``.functional``, initial values in ``.init``."""

from __future__ import annotations

from unspool.nn import functional, init, modules, parameter, utils
from unspool.nn.modules import *  # noqa: F403
from unspool.nn.modules import __all__ as _modules
from unspool.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "modules", "parameter", "utils"]
__all__ += _modules
