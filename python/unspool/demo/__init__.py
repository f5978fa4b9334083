"""The examples that come with unspool, found by name: ``python -m unspool.demo NAME`` runs one.

Each is one file, meant to be read: ``examples/NAME.py`` in the sources.
"""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import unspool

_FOLDER = Path(unspool.__file__).parent / "_examples"


class Example(Protocol):
    """What every example offers."""

    def main(self, argv: Sequence[str] | None = None) -> dict[str, float]:
        """Run with these words of the command line (None: the process's own); give the numbers it prints."""
        ...


def names() -> list[str]:
    """Give the names of all examples, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("[!_]*.py"))


def summary(name: str) -> str:
    """Give the first line of what an example says of itself, without importing it."""
    text = ast.get_docstring(ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def load(name: str) -> Example:
    """Import an example.

    Raises:
        ValueError: no example has this name.
        ModuleNotFoundError: the example needs a package that is not installed.
    """
    if name not in names():
        raise ValueError(f"no example is called {name!r}; there are {', '.join(names())}")
    return cast("Example", importlib.import_module(f"unspool._examples.{name}"))


def at_least_one(text: str) -> int:
    """Read a word of an example's command line that counts something: epochs, samples, units.

    Raises:
        argparse.ArgumentTypeError: it is no whole number above 0.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return int(text)
