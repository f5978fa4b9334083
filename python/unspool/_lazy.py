"""Names that are imported when they are first asked for, so that importing the package stays quick.

Also what is said about names that PyTorch has and this library has not: the error is an AttributeError, so
that ``hasattr`` and ``getattr`` with a default work as usual, and a NotImplementedError, as it should be.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any


class MissingName(AttributeError, NotImplementedError):
    """A name of PyTorch that unspool does not have."""


@cache
def _known_names() -> frozenset[str]:
    """List the public names of PyTorch, with their modules."""
    from pathlib import Path

    lines = (Path(__file__).parent / "_torch_names.txt").read_text(encoding="utf-8").splitlines()
    names: set[str] = set()
    for line in lines:
        if line and not line.startswith("#"):
            module, _, members = line.partition(": ")
            names.update(f"{module}.{member}" for member in members.split())
    return frozenset(names)


# What to do instead, by the first words of a name.
_INSTEAD = {
    "torch.fft": "use numpy.fft where no gradient is needed, or products with cosines and sines",
    "torch.stft": "compute with scipy.signal.stft where no gradient is needed",
    "torch.istft": "compute with scipy.signal.istft where no gradient is needed",
    "torch.Tensor.stft": "compute with scipy.signal.stft where no gradient is needed",
    "torch.Tensor.istft": "compute with scipy.signal.istft where no gradient is needed",
    "torch.Tensor.cfloat": "complex numbers are not supported: keep real and imaginary parts as two tensors",
    "torch.Tensor.cdouble": "complex numbers are not supported: keep real and imaginary parts as two tensors",
    "torch.complex": "complex numbers are not supported: keep real and imaginary parts as two tensors",
    "torch.polar": "complex numbers are not supported: keep radius * cos(angle) and radius * sin(angle)",
    "torch.view_as_": "complex numbers are not supported: keep a last dimension of size 2",
    "torch.cfloat": "complex numbers are not supported: keep real and imaginary parts as two tensors",
    "torch.cdouble": "complex numbers are not supported: keep real and imaginary parts as two tensors",
    "torch.autograd.forward_ad": "use autograd.functional.jvp",
    "torch.func.jvp": "use autograd.functional.jvp",
    "torch.profiler": "use compiled_step.profile(), or Python's cProfile",
    "torch.autograd.profiler": "use compiled_step.profile(), or Python's cProfile",
    "torch.quasirandom": "draw points with scipy.stats.qmc and convert them with from_numpy",
}


def unsupported(torch_name: str) -> str:
    """Say that a name of PyTorch is missing, and what to use where that is known."""
    instead = next((what for start, what in _INSTEAD.items() if torch_name.startswith(start)), None)
    return f"{torch_name} is not implemented in unspool" + (f"; {instead}" if instead else "")


def missing(package: str, name: str) -> AttributeError:
    """Make the exception for a name that a module does not have."""
    module = sys.modules[package]
    torch_name = f"torch{package.removeprefix('unspool')}.{name}"
    is_private = name.startswith("_") and not name.startswith("__")
    if is_private or torch_name in _known_names():
        return MissingName(unsupported(torch_name), name=name, obj=module)
    return AttributeError(
        f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
    )


def lazy(
    package: str, modules: Iterable[str] = (), attributes: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module.

    Args:
        package: full name of the module that it is for.
        modules: submodules to import on demand.
        attributes: names to take from elsewhere on demand, with the full name of the module that has them;
            with a star at its end, all names that start so and that the module has.
    """
    known = frozenset(modules)
    elsewhere = attributes or {}
    starts = {name[:-1]: place for name, place in elsewhere.items() if name.endswith("*")}

    def __getattr__(name: str) -> Any:
        if name in known:
            return importlib.import_module(f"{package}.{name}")
        if name in elsewhere:
            value = getattr(importlib.import_module(elsewhere[name]), name)
            setattr(sys.modules[package], name, value)
            return value
        for start, place in starts.items():
            if name.startswith(start) and hasattr(importlib.import_module(place), name):
                return getattr(importlib.import_module(place), name)
        raise missing(package, name)

    return __getattr__
