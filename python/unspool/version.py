"""Which version this is, under the names that scripts ask for."""

from __future__ import annotations

from unspool import _core

__version__: str = _core.__version__
debug = False
cuda: str | None = "yes" if _core._configuration()["cuda"] else None
hip: str | None = None
xpu: str | None = None
