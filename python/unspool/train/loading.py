"""Loading what fits: part of a state, or one whose names are others, with a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unspool._core import Tensor
from unspool.nn import Module
from unspool.nn.parameter import is_lazy
from unspool.train._patterns import matches

Rename = Mapping[str, str] | Callable[[str], "str | None"]


@dataclass(frozen=True)
class LoadReport:
    """What became of every name. Printed, it is a table.

    Attributes:
        loaded: names of the module that got a value.
        renamed: those of them that had another name in the state, with that name.
        missing: names of the module, among those asked for, that the state has not.
        unused: names in the state that the module has not, or that were not asked for.
        mismatched: names whose shapes differ: (in the module, in the state).
    """

    loaded: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    def __str__(self) -> str:
        summary = (
            f"{len(self.loaded)} loaded ({len(self.renamed)} of them renamed), {len(self.missing)} missing, "
            f"{len(self.mismatched)} of another shape, {len(self.unused)} unused"
        )
        lines = [summary]
        lines += [
            f"  loaded   {name}" + (f"  from {self.renamed[name]}" if name in self.renamed else "")
            for name in self.loaded
        ]
        lines += [f"  missing  {name}" for name in self.missing]
        lines += [
            f"  shape    {name}  is {mine}, was given {theirs}"
            for name, (mine, theirs) in self.mismatched.items()
        ]
        lines += [f"  unused   {name}" for name in self.unused]
        return "\n".join(lines)


def load_matching(
    module: Module,
    state_dict: Mapping[str, Any],
    rename: Rename | None = None,
    *,
    only: str | Sequence[str] = "*",
) -> LoadReport:
    """Copy into a module what fits of a state, and say what became of the rest.

    Args:
        module: that gets the values.
        state_dict: tensors by name, as ``Module.state_dict`` gives them or ``load`` reads them.
        rename: how names in the state become names of the module. A mapping of beginnings, whole parts
            between dots: {"backbone": "features"} makes "features.0.weight" of "backbone.0.weight",
            {"module": ""} takes a beginning off and {"": "encoder"} puts one on; the longest beginning that
            fits counts, once. Or a function of the name, which drops an entry by giving None.
        only: patterns (see ``freeze``) of the module's names that are asked for.

    Raises:
        TypeError: the state is no mapping.
        ValueError: two entries would have the same name; or nothing fits at all.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"load_matching: expected a mapping from names to tensors, got {type(state_dict).__name__}"
        )
    patterns = (only,) if isinstance(only, str) else tuple(only)
    own = module.state_dict(keep_vars=True)
    wanted = [name for name in own if any(matches(pattern, name) for pattern in patterns)]
    sources = _sources(state_dict, rename)
    report = LoadReport()
    found: dict[str, Any] = {}
    for name in wanted:
        if name not in sources:
            report.missing.append(name)
            continue
        value = state_dict[sources[name]]
        mine, theirs = _shape(own[name]), _shape(value)
        if mine is not None and mine != theirs:
            report.mismatched[name] = (mine, theirs or ())
            continue
        found[name] = value
        report.loaded.append(name)
        if sources[name] != name:
            report.renamed[name] = sources[name]
    used = {sources[name] for name in (*found, *report.mismatched)}
    report.unused.extend(name for name in state_dict if name not in used)
    if not found:
        raise ValueError(f"load_matching: nothing fits {type(module).__name__}\n{report}")
    module.load_state_dict(found, strict=False)
    return report


def _shape(entry: Any) -> tuple[int, ...] | None:
    """The shape that counts: None where there is none, or none yet."""
    return tuple(entry.shape) if isinstance(entry, Tensor) and not is_lazy(entry) else None


def _sources(state_dict: Mapping[str, Any], rename: Rename | None) -> dict[str, str]:
    """Give the name in the state by the name in the module."""
    sources: dict[str, str] = {}
    for name in state_dict:
        target = _renamed(name, rename)
        if target is None:
            continue
        if target in sources:
            raise ValueError(f"load_matching: {sources[target]!r} and {name!r} would both become {target!r}")
        sources[target] = name
    return sources


def _renamed(name: str, rename: Rename | None) -> str | None:
    if rename is None:
        return name
    if not isinstance(rename, Mapping):
        return rename(name)
    parts = name.split(".")
    for length in range(len(parts), -1, -1):
        beginning = ".".join(parts[:length])
        if beginning in rename:
            rest = parts[length:]
            return ".".join([rename[beginning], *rest] if rename[beginning] else rest)
    return name
