"""A module called with parameters and buffers that are not its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from unspool._core import Tensor
from unspool.nn.modules.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The output of ``module`` with some of its parameters and buffers replaced during the call.

    Args:
        module: is left as it was.
        parameter_and_buffer_dicts: tensors by the names of ``named_parameters`` and ``named_buffers``;
            several dicts may not share a name.
        args: positional arguments; what is no tuple is the only one.
        kwargs: keyword arguments.
        tie_weights: replace a shared tensor under all its names, also where only one is given.
        strict: raise where names are missing or unknown.

    Raises:
        ValueError: a name in two dicts.
        RuntimeError: ``strict``, and names do not match; or tied weights are given different values.
    """
    values: dict[str, Tensor] = {}
    dicts = (
        [parameter_and_buffer_dicts]
        if isinstance(parameter_and_buffer_dicts, Mapping)
        else parameter_and_buffer_dicts
    )
    for each in dicts:
        repeated = values.keys() & each.keys()
        if repeated:
            raise ValueError(f"functional_call: {sorted(repeated)} appear in multiple dictionaries")
        values.update(each)
    own: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    own.update(module.named_buffers(remove_duplicate=False))
    if strict and own.keys() != values.keys():
        unexpected, missing = sorted(values.keys() - own.keys()), sorted(own.keys() - values.keys())
        raise RuntimeError(f"functional_call: missing keys {missing}, unexpected keys {unexpected}")
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, _with_ties(values, own) if tie_weights else values):
        return module(*positional, **(kwargs or {}))


def _with_ties(values: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The values, also under the other names of the tensors that they replace."""
    by_tensor: dict[int, Tensor] = {}
    for name, value in values.items():
        if name not in own:
            continue
        if by_tensor.setdefault(id(own[name]), value) is not value:
            raise RuntimeError(f"functional_call: tied weight {name!r} is given two different values")
    tied = {name: by_tensor[id(tensor)] for name, tensor in own.items() if id(tensor) in by_tensor}
    return {**values, **tied}


@contextmanager
def _replaced(module: Module, values: dict[str, Tensor]) -> Iterator[None]:
    """Puts tensors in the places of the module's own until the end."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for path, value in values.items():
            owner_path, _, name = path.rpartition(".")
            owner = module.get_submodule(owner_path) if owner_path else module
            table: Any = next((t for t in (owner._parameters, owner._buffers) if name in t), None)
            if table is None:
                raise AttributeError(
                    f"functional_call: {type(module).__name__} has no parameter or buffer {path!r}"
                )
            before.append((table, name, table[name]))
            table[name] = value
        yield
    finally:
        for table, name, old in reversed(before):
            table[name] = old
