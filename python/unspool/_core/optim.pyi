# Type stubs of the compiled optimizer steps, written by hand in tools/stubs/optim.pyi.in.

from collections.abc import MutableMapping
from typing import Any

def step(rule: str, group: dict[str, Any], state: MutableMapping[Any, Any], /) -> None: ...
