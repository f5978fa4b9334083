"""Makes ``import torch`` give unspool, so that scripts written for PyTorch run unchanged.

``torch`` and the modules below it stand in ``sys.modules`` as unspool's own. A module of PyTorch that is not
in unspool raises an ImportError that says so, as do packages that need PyTorch's binaries. Those that also
work without their compiled part, such as torchvision, are imported as they are.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from unspool import _core
from unspool._lazy import unsupported

# The version of PyTorch whose documentation says what names and arguments mean.
_FOLLOWED = "2.13.0"

# These are compiled against PyTorch, and the installed ones do not work without that part.
_BUILT_ON_TORCH = ("torchaudio", "torchtext")


# Top-level packages of PyTorch, and what stands for them.
_PACKAGES = {"torch": "unspool", "functorch": "unspool.func"}


def _is_torch(name: str) -> bool:
    return name.partition(".")[0] in _PACKAGES


class _Alias(importlib.abc.Loader):
    """Gives an existing module under another name."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: Any) -> ModuleType:
        """Give the module."""
        del spec
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Keep what the import system would have changed."""
        module.__spec__ = self._spec


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``torch.a.b`` as ``unspool.a.b``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of PyTorch; leave all others to the finders that follow."""
        del path, target
        if _is_refused(fullname):
            raise ImportError(
                f"{fullname} is built on PyTorch's binaries and cannot be used with unspool; "
                "read the data with another package",
                name=fullname,
            )
        if not _is_torch(fullname):
            return None
        package, dot, rest = fullname.partition(".")
        ours = _PACKAGES[package] + dot + rest
        try:
            module = importlib.import_module(ours)
        except ModuleNotFoundError as error:
            if error.name is None or not ours.startswith(error.name):
                raise
            raise ImportError(unsupported(fullname), name=fullname) from None
        # Every module counts as a package, so that this finder is asked for, and names, what is not below it.
        return importlib.machinery.ModuleSpec(fullname, _Alias(module), is_package=True)


def _is_pure_python(package: str) -> bool:
    """Whether the package that would be imported is not the well-known one: a replacement by the user."""
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            continue
        spec = finder.find_spec(package, None)
        if spec is not None:
            folders = spec.submodule_search_locations or []
            return not any("site-packages" in folder or "dist-packages" in folder for folder in folders)
    return False


def _is_refused(fullname: str) -> bool:
    return fullname in _BUILT_ON_TORCH and not _is_pure_python(fullname)


def _find_spec(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
    """Answer as ``importlib.util.find_spec``: None for what an import would refuse.

    Libraries ask it which optional packages there are, and import those that it finds.
    """
    fullname = importlib.util.resolve_name(name, package)
    if _is_refused(fullname):
        return None
    try:
        return _PYTHONS_FIND_SPEC(name, package)
    except ImportError:
        if _is_torch(fullname):
            return None
        raise


_PYTHONS_FIND_SPEC = importlib.util.find_spec


def install() -> None:
    """Alias PyTorch's names in this process, for good.

    Raises:
        RuntimeError: the real torch has been imported.
    """
    import unspool

    if sys.modules.get("torch", unspool) is not unspool:
        raise RuntimeError("as_torch: the real torch is imported already; do this before")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    importlib.util.find_spec = _find_spec
    sys.modules["torch"] = unspool
    unspool.__name__ = "torch"  # packages ask whether the module that they imported is the one of that name
    _set_version(f"{_FOLLOWED}+unspool.{_core.__version__}")
    # Scripts choose by name from ``torch.optim.__dict__``, and packages wrap each class that they find there.
    for module in (unspool.optim, unspool.nn):
        for name in module.__all__:
            getattr(module, name)


def uninstall() -> None:
    """Take the aliases back."""
    import unspool

    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    importlib.util.find_spec = _PYTHONS_FIND_SPEC
    for name in [name for name in sys.modules if _is_torch(name)]:
        del sys.modules[name]
    unspool.__name__ = "unspool"
    _set_version(_core.__version__)


def _set_version(text: str) -> None:
    """Set what a script that asks which PyTorch this is gets to see."""
    import unspool
    from unspool import version

    unspool.__version__ = version.__version__ = text


@contextmanager
def as_torch() -> Iterator[ModuleType]:
    """Let ``import torch`` and its submodules give unspool, within a ``with`` block.

    Modules that were imported inside keep what they have taken. ``torchaudio`` and others that need PyTorch's
    binaries raise an ImportError, unless a package of the user stands in for them.

    Yields:
        the package unspool.

    Raises:
        RuntimeError: the real torch has been imported.
    """
    import unspool

    install()
    try:
        yield unspool
    finally:
        if not sys.is_finalizing():  # modules are gone then, and nobody imports any more
            uninstall()
