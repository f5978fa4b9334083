"""Intermediate outputs of a network, by the paths of its modules."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from unspool.nn import Module
from unspool.train._patterns import select


class Features:
    """Records what modules put out while the network runs inside ``with``.

    Args:
        module: the network.
        paths: of the modules below it, as ``named_modules`` gives them, or patterns of paths ("encoder.*";
            unlike for parameters, "encoder" means that module alone).

    Raises:
        ValueError: a path that means no module.

    Example::

        with Features(model, "conv1", "layer4") as seen:
            scores = model(images)
        seen["layer4"].mean((2, 3))
    """

    def __init__(self, module: Module, *paths: str) -> None:
        if not paths:
            raise ValueError("Features: name at least one module by its path")
        modules = {path: each for path, each in module.named_modules() if path}
        chosen = {path: modules[path] for path in paths if path in modules}
        others = [path for path in paths if path not in modules]
        for path in select("Features", others, modules, "module") if others else []:
            chosen[path] = modules[path]
        self._modules = {path: chosen[path] for path in modules if path in chosen}
        self._outputs: dict[str, list[Any]] = {path: [] for path in self._modules}
        self._handles: list[Any] = []

    def __enter__(self) -> Features:
        if self._handles:
            raise RuntimeError("Features: already recording")
        for path, module in self._modules.items():
            self._outputs[path] = []
            self._handles.append(module.register_forward_hook(self._recorder(path)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _recorder(self, path: str) -> Any:
        def record(module: Module, inputs: Any, output: Any) -> None:  # noqa: ARG001
            self._outputs[path].append(output)

        return record

    def all(self, path: str) -> list[Any]:
        """Give every output of a module, in the order of its calls.

        Raises:
            KeyError: the module was not asked for.
        """
        if path not in self._outputs:
            raise KeyError(f"Features: {path!r} is not recorded; recorded are {list(self._outputs)}")
        return list(self._outputs[path])

    def __getitem__(self, path: str) -> Any:
        """Give the output of a module that ran once.

        Raises:
            KeyError: the module was not asked for, or did not run.
            ValueError: it ran more than once.
        """
        outputs = self.all(path)
        if not outputs:
            raise KeyError(f"Features: module {path!r} did not run")
        if len(outputs) > 1:
            raise ValueError(
                f"Features: module {path!r} ran {len(outputs)} times; take them by .all({path!r})"
            )
        return outputs[0]

    def __contains__(self, path: object) -> bool:
        return path in self._outputs

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)
